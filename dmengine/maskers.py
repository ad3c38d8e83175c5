"""The maskers that ship with dmengine; `docs/maskers` has a page for each."""

from dmengine.inside import Inside
from dmengine_maskers.address import Address
from dmengine_maskers.booleans import RandomBoolean
from dmengine_maskers.cards import CreditCard
from dmengine_maskers.chain import Chain
from dmengine_maskers.character_mask import CharacterMask
from dmengine_maskers.choice import Choice
from dmengine_maskers.coding import BottomCode, TopCode
from dmengine_maskers.columnwise import MicroAggregate, Shuffle
from dmengine_maskers.concat import Concat
from dmengine_maskers.constants import Fixed, Null
from dmengine_maskers.date_parts import DateTruncate, KeepAge, KeepYear
from dmengine_maskers.dates import DateShift
from dmengine_maskers.email import Email
from dmengine_maskers.faker_mask import FakerMask
from dmengine_maskers.format_string import FormatString
from dmengine_maskers.fpe import Fpe
from dmengine_maskers.fpe_date import FpeDate
from dmengine_maskers.from_field import FromField
from dmengine_maskers.from_file import FromFile
from dmengine_maskers.full_name import FullName
from dmengine_maskers.geo import GeohashTruncate, GeoJitter
from dmengine_maskers.hipaa import AgeCap, Zip3
from dmengine_maskers.iban import Iban
from dmengine_maskers.imitate import Imitate
from dmengine_maskers.ip_address import IpAddress
from dmengine_maskers.json_mask import Json
from dmengine_maskers.listed import Company, Country, Job, UserAgent
from dmengine_maskers.lookup import Lookup
from dmengine_maskers.lorem import Lorem
from dmengine_maskers.mac_address import MacAddress
from dmengine_maskers.names import FirstName, LastName
from dmengine_maskers.national_id import NationalId
from dmengine_maskers.noise import Noise
from dmengine_maskers.numbers import Bucket, Number
from dmengine_maskers.pan_truncate import PanTruncate
from dmengine_maskers.passwords import Password
from dmengine_maskers.persona import Persona
from dmengine_maskers.phones import Phone
from dmengine_maskers.products import Ean, Isbn, Vin
from dmengine_maskers.random_date import RandomDate
from dmengine_maskers.random_text import RandomText
from dmengine_maskers.redact import Redact
from dmengine_maskers.regex_replace import RegexReplace
from dmengine_maskers.rounding import Rescale, Round
from dmengine_maskers.scrub import Find, Scrub
from dmengine_maskers.set_checksum import SetChecksum
from dmengine_maskers.shaping import Case, Pad, Substring, Truncate
from dmengine_maskers.template import Template
from dmengine_maskers.tokenize import Tokenize
from dmengine_maskers.tokens import Hash
from dmengine_maskers.url import Url
from dmengine_maskers.username import Username
from dmengine_maskers.uuids import Uuid
from dmengine_maskers.xml_mask import Xml

__all__ = [
    "Address", "AgeCap", "BottomCode", "Bucket", "Case", "Chain", "CharacterMask", "Choice", "Company", "Concat",
    "Country", "CreditCard", "DateShift", "DateTruncate", "Ean", "Email", "FakerMask", "Find", "FirstName", "Fixed",
    "FormatString", "Fpe", "FpeDate", "FromField", "FromFile", "FullName", "GeoJitter", "GeohashTruncate", "Hash",
    "Iban", "Imitate", "Inside", "IpAddress", "Isbn", "Job", "Json", "KeepAge", "KeepYear", "LastName", "Lookup",
    "Lorem", "MacAddress", "MicroAggregate", "NationalId", "Noise", "Null", "Number", "Pad", "PanTruncate", "Password",
    "Persona", "Phone", "RandomBoolean", "RandomDate", "RandomText", "Redact", "RegexReplace", "Rescale", "Round",
    "Scrub", "SetChecksum", "Shuffle", "Substring", "Template", "Tokenize", "TopCode", "Truncate", "Url", "UserAgent",
    "Username", "Uuid", "Vin", "Xml", "Zip3",
]  # fmt: skip
