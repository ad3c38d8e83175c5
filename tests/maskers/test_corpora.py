"""The word lists: what has shipped never changes."""

from __future__ import annotations

import hashlib
import unicodedata
from importlib import resources

import pytest

from dmengine_maskers import corpora
from dmengine_maskers.locales import MANNERS

SHIPPED = {
    "city.en_US.v1.txt.gz": "dde1e94c1aaaa52ae99bf3c587331a9bbef64856e873193aaa4c617e69921a77",
    "company.de_DE.v1.txt.gz": "34c6587e4aa86c8b7efc2c369dff749b7d79ba993d85b83d86ea1a5eb566bd64",
    "company.en_GB.v1.txt.gz": "9c347cfa52431297f1ca30c4478e4d10faed8b1e2fb452cf03d79fd70df198d6",
    "company.en_US.v1.txt.gz": "f64427e6ab8fc3dd287f21e1ae679fa9f95fe914be5117e0e33ce128baaf103d",
    "company.es_ES.v1.txt.gz": "73da7dd7bed1748729a077870f352c8424577e4a49ba75af242c10e892aefe63",
    "company.fr_FR.v1.txt.gz": "680a5cfb2883ce86792ef3ac077af6d46049f5bf394c48387f8812997ec04a51",
    "company.hi_IN.v1.txt.gz": "7b953f322543e65abb853bc1f79dddf0eb4d6c0b91123ed94c3b43533ea3262f",
    "company.it_IT.v1.txt.gz": "61cdaeccd71f3409aed1f6f04b578c4ca5c4859435339d61603cfdc8069aa9f2",
    "company.ja_JP.v1.txt.gz": "c753fdd5371495a67e43702570a3afefb1df008797ec479df80d5351fa008550",
    "company.nl_NL.v1.txt.gz": "8848145f4f3079aa3c2985c870075befc3af7413fcb4967253d866cf62d2ecdf",
    "company.pt_BR.v1.txt.gz": "63214113847472aee1275316fac65bcd4aa83358dcfe735e2d5cb7d28dfa9917",
    "country.en_US.v1.txt.gz": "5b329d038959f9daabaa747d458ffcf795919cabfbc9989a86e8bbe364eb393a",
    "first_name_female.de_DE.v1.txt.gz": "468f1ea54c2e17b8b4eb59bb72812a450f0af2a4ee78b29ef78154c12e5ab34b",
    "first_name_female.en_GB.v1.txt.gz": "06bcfd63b3b7735682dfdb0355a71e873cab66b77f7f02cb60edf6a2a18e975b",
    "first_name_female.en_US.v1.txt.gz": "50d94b720c43bb8e22812fefc8c56278bdf1368dd2be3bc29fe833bf7ca3d448",
    "first_name_female.es_ES.v1.txt.gz": "7904f467b13dd4157fbda46bb4036c1454c4ff557c90a9d2a1add372ea966ff3",
    "first_name_female.fr_FR.v1.txt.gz": "ed9c59d04e34b96f7efdce055b92e29f3b9784b5ef3a58016432df909e8a1dc0",
    "first_name_female.hi_IN.v1.txt.gz": "ccdf8ac7facb967497d6d854fe35e60e5caa8c973446dabf6434bacb16fb9d45",
    "first_name_female.it_IT.v1.txt.gz": "52bc6c5e2ab28a154e00722be1923baa04eec99c2c333fe53b9b9186c0dd7ba8",
    "first_name_female.ja_JP.v1.txt.gz": "6430e5378b18abf62284fa04722ae09ec61f5d7adf0abf33fd6437ab337ce104",
    "first_name_female.nl_NL.v1.txt.gz": "b85aeedad13545182819af5d01dfec570e05dab356226a98fb3d3c53abb6af61",
    "first_name_female.pt_BR.v1.txt.gz": "bbd05155f6b3948a46a30c7a58b128acaba13226b2cc65877730fe6deb5582ad",
    "first_name_male.de_DE.v1.txt.gz": "cc027f53af73d5547682097d6fcc6cc63a6718f9d40879b4dd77731d438eb961",
    "first_name_male.en_GB.v1.txt.gz": "6665e85d70a9ce57d69bb910e8e57bb381016594988ebf48d6d0a64ea2e137f2",
    "first_name_male.en_US.v1.txt.gz": "5c5d2abbcf74b5efe6d4aeb2be15b611a03f3e280ee4d6beb51a64544bc50a46",
    "first_name_male.es_ES.v1.txt.gz": "4c39d2c9cf6c502f791aee3d134b3b35eef7c899897e66778d1f8844f4bc4db9",
    "first_name_male.fr_FR.v1.txt.gz": "9cb70b34a95943c3e2ed1a6fd4e4521e9992232237cff2e4de3285ee7c1820ef",
    "first_name_male.hi_IN.v1.txt.gz": "03c44eae60f8224b9610af7a7f832171ee6cf5b332aaf1b63deaadd47a9184a5",
    "first_name_male.it_IT.v1.txt.gz": "87433fd61fb92da9e184209041f999016e5ad31863f2b5323835813c6267f8c5",
    "first_name_male.ja_JP.v1.txt.gz": "167e30310d75c0b9af2d9d9d7309a6dd5a08b37c5bb54b2e2ad60ab8462a40ee",
    "first_name_male.nl_NL.v1.txt.gz": "4b2de2c6ddeb87467bae00dacbb802ed05cb4d9a59fef6e9df4bdfcb992ce799",
    "first_name_male.pt_BR.v1.txt.gz": "12f7e4a40ba676fdd89afb454d5357c3a2af0d4d0bf78fb2f3f748eb8cd7d8ae",
    "job.de_DE.v1.txt.gz": "a68af6fb1773d6921a513e8d544956bd7c9b633e89150cb621c5386b74fa0529",
    "job.en_GB.v1.txt.gz": "9e09fdd951e414122ec37f1b094cd2ab4c79e5c18413336c679cf8584ee92419",
    "job.en_US.v1.txt.gz": "9e09fdd951e414122ec37f1b094cd2ab4c79e5c18413336c679cf8584ee92419",
    "job.es_ES.v1.txt.gz": "1a5b45834afad2e4dfeb2b97b23f42b93055769871fc13a63a41b5bafe075ab7",
    "job.fr_FR.v1.txt.gz": "fc0663cf51d2aed5ccc3fa6f7abc31cea35a9cedfb9910054988d93eee6c8c12",
    "job.hi_IN.v1.txt.gz": "9e09fdd951e414122ec37f1b094cd2ab4c79e5c18413336c679cf8584ee92419",
    "job.it_IT.v1.txt.gz": "9e09fdd951e414122ec37f1b094cd2ab4c79e5c18413336c679cf8584ee92419",
    "job.ja_JP.v1.txt.gz": "4e5421340e472cb2b9fecf6934828f516663c2d9f9471e906235debdc90064f6",
    "job.nl_NL.v1.txt.gz": "9e09fdd951e414122ec37f1b094cd2ab4c79e5c18413336c679cf8584ee92419",
    "job.pt_BR.v1.txt.gz": "44ddd004e811cf17896557e275847c9fb9516fd1bd3dce7f959ccb829266ecd0",
    "last_name.de_DE.v1.txt.gz": "ca437223670de85b1aeaf0cd35e1f7e1423803839e6e829aa486af874825cd28",
    "last_name.en_GB.v1.txt.gz": "7d29a4902e3a748ad8d0dca24db242a11abf0f2a27afcdc87c6f48b68ff2352f",
    "last_name.en_US.v1.txt.gz": "aea93b28a896d279e96ac8befde200724e953a5192cdab6a66def385298f2e3c",
    "last_name.es_ES.v1.txt.gz": "cdd50519bb73699c93a4c9bb2972871ade64606656fa878758c00d0222a76b4e",
    "last_name.fr_FR.v1.txt.gz": "15029a63702bf5267d87a53b2bcfc60dc9373163966875f3e9e08f3d27713940",
    "last_name.hi_IN.v1.txt.gz": "e8f0afaa21d62878b064bf71e0233c1902dd9acf9c8dbaa5cf8b14ca77299a05",
    "last_name.it_IT.v1.txt.gz": "e3f4032528e8c987fd357cb326577dc5424a7bcece2b7ccb5bfad11433875362",
    "last_name.ja_JP.v1.txt.gz": "4889f003183e57bdac472a22f2991543c92039033a052b46635b7941a5051f55",
    "last_name.nl_NL.v1.txt.gz": "8fac3805295d7918e09b047fcb0123a485a659773ba64475fd77cf895d371ae0",
    "last_name.pt_BR.v1.txt.gz": "e75cb866285054a49d224af7418be1869ea186ab266124beb3b6e6950c572c52",
    "place.de_DE.v1.txt.gz": "8835d3f24e374afce2426b4b5bd98578547107437880b9c490f12dac557fa788",
    "place.en_GB.v1.txt.gz": "447d54b4a92da5e2deae2f2f15b69c6e528e8eb2e756cf497092dfbcca9972f8",
    "place.en_US.v1.txt.gz": "a6021151a5cf2f845de3b96f03df0a8cd77dd2e10c823ab81733e32c864fddb8",
    "place.es_ES.v1.txt.gz": "392034df0cb7245731ffbb17062178f8884d1d5afa5be8b090362f1dc5fb3af8",
    "place.fr_FR.v1.txt.gz": "8df9a72a0b51d44d82b3b4de822f35dda7c1ab0886e928bda0900113424b9d0f",
    "place.hi_IN.v1.txt.gz": "9b375e0aeac0b0db2e092cee23cf005975181d691d684e81595bc20ab8b61e24",
    "place.it_IT.v1.txt.gz": "4b3b31780dd01b0c9028394e6e13e49ed452151afd0f60604566869d2d012632",
    "place.ja_JP.v1.txt.gz": "e6ce48cc50cd46616ed49f6aa4da958bd081737a3587b7d880ce66266372bc6d",
    "place.nl_NL.v1.txt.gz": "8264080003cdc9c52704ace8a04ef6316024a11868fe705efcfd6af77ee18959",
    "place.pt_BR.v1.txt.gz": "0e2e5181cab32d6401a2a1070e5a1d343b56a11d84ed577c086ca62b13d66d3d",
    "street.en_US.v1.txt.gz": "ca9180c949ab3ec0dd762ca4be0bac0763667b3243d8f1b34e058da2712d8240",
    "street_name.de_DE.v1.txt.gz": "d0dc9983bc0d3b3ee1cbc039e11f1717b00819e564724c40b33f89b4a80e0fc6",
    "street_name.en_GB.v1.txt.gz": "fdb985a4549b077f96b5c47532cc313e740430b98d547fbbef4df5ed70d290f5",
    "street_name.en_US.v1.txt.gz": "01656ddcf8da2f5e48da1725a7c4a4921d18415b57e891742b858e69051215f4",
    "street_name.es_ES.v1.txt.gz": "21f12f35cd9e8b4d63f2739d7ad1b9275d1e3e23f9c5781bd13a58c4726e7656",
    "street_name.fr_FR.v1.txt.gz": "56627606ba831a09fa717c64e6cfc61c188f82a68d79cfedad2bf2e055db8959",
    "street_name.hi_IN.v1.txt.gz": "a11223da5ece17bc73028e2d2661acca4464f7cac7190ddb6ba9c7d42f2867ec",
    "street_name.it_IT.v1.txt.gz": "c20a1ec6111d1a87be9a1c8ef9d766d1739b57bcddd213ca824012b07ccab763",
    "street_name.ja_JP.v1.txt.gz": "388935ddb21a64f925d551d73406dfad2135d94a4af0141ece87c5b5aaf401c6",
    "street_name.nl_NL.v1.txt.gz": "ff38be67e09afe100e4086c85da56fbfa9721c4d0e1e7d7de17326e1668b66f9",
    "street_name.pt_BR.v1.txt.gz": "5ec47e16daa1eb387f431e4154e48ea837ec8d86bd57b439b89e5e240789d788",
    "user_agent.en_US.v1.txt.gz": "446ca6415df79c3f4c9fae0c398ecfa7b73e03cdafe0ddae8f6be389d66b6228",
}


def test_shipped_list_never_changes() -> None:
    """Every file is byte for byte what it was when it shipped: a change would change masked values."""
    folder = resources.files("dmengine_maskers.corpora")
    found = {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in folder.iterdir()
        if entry.name.endswith(".gz")
    }

    assert found == SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_entries_are_distinct_sorted_and_clean(name: str) -> None:
    """Entries are in NFC, without space at the ends, each once, in the order of their code points."""
    corpus, locale, *_ = name.split(".")

    words = corpora.load(corpus, locale).to_pylist()

    assert words == sorted(set(words))
    assert all(word and word == unicodedata.normalize("NFC", word.strip()) for word in words)


def test_list_is_read_once() -> None:
    """A process reads a list once and shares it."""
    assert corpora.load("city", "en_US") is corpora.load("city", "en_US")


ROWS = {"place": 4, "country": 3}


@pytest.mark.parametrize("name", [name for name in sorted(SHIPPED) if name.split(".")[0] in ROWS])
def test_rows_are_whole(name: str) -> None:
    """Every row of a list of rows has all of its columns, and none of them is empty."""
    corpus, locale, *_ = name.split(".")

    columns = corpora.columns(corpus, locale)

    assert len(columns) == ROWS[corpus]
    assert all(value for column in columns for value in column.to_pylist())


@pytest.mark.parametrize("locale", sorted(MANNERS))
def test_every_locale_has_every_list(locale: str) -> None:
    """Ten locales have names, streets, places, companies and occupations."""
    lists = ("first_name_female", "first_name_male", "last_name", "street_name", "place", "company", "job")

    assert all(locale in corpora.available(name) for name in lists)


@pytest.mark.parametrize(
    ("locale", "city_state", "start"),
    [("en_US", "CA", "9"), ("de_DE", "BE", "1"), ("fr_FR", "75", "75"), ("es_ES", "28", "28"), ("ja_JP", "13", "1"),
     ("pt_BR", "RJ", "2"), ("nl_NL", "UT", "3"), ("hi_IN", "DL", "110"), ("it_IT", "RM", "00"), ("en_GB", "OXF", "OX")],
)  # fmt: skip
def test_postcodes_lie_in_their_state(locale: str, city_state: str, start: str) -> None:
    """A row's postcode is one of the row's state."""
    _, _, codes, postcodes = corpora.columns("place", locale)
    found = [p for c, p in zip(codes.to_pylist(), postcodes.to_pylist(), strict=True) if c == city_state]

    assert found
    assert all(postcode.startswith(start) for postcode in found)
