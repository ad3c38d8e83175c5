"""What tests of connections share with those of AWS: the accounts, and a shell in account A."""

from tests.aws.conftest import moto, no_credentials_of_this_machine, world
from tests.aws.test_cli_s3 import desk
from tests.checks.conftest import redshift

__all__ = ["desk", "moto", "no_credentials_of_this_machine", "redshift", "world"]
