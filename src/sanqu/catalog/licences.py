"""The licences a dataset may carry: their CKAN ids, titles, pages, and the EU's URIs for them."""

from __future__ import annotations

from dataclasses import dataclass

from sanqu.catalog.tokens import fold
from sanqu.ground.i18n import Text

EU = "http://publications.europa.eu/resource/authority/licence/"


@dataclass(frozen=True)
class Licence:
    """A licence; `uri` is its name in the EU's licence table where that has it."""

    id: str
    title: Text
    url: str
    uri: str
    is_open: bool = True


def _l(id_: str, zh: str, en: str, url: str, eu: str = "", *, is_open: bool = True) -> Licence:
    return Licence(id_, Text(zh=zh, en=en), url, EU + eu if eu else url, is_open)


LICENCES: dict[str, Licence] = {
    licence.id: licence
    for licence in (
        _l("cc-by", "知识共享 署名 4.0", "Creative Commons Attribution 4.0", "https://creativecommons.org/licenses/by/4.0/", "CC_BY_4_0"),
        _l("cc-zero", "知识共享 公共领域 CC0", "Creative Commons CC0", "https://creativecommons.org/publicdomain/zero/1.0/", "CC0"),
        _l("cc-by-sa", "知识共享 署名-相同方式共享 4.0", "Creative Commons Attribution Share-Alike 4.0", "https://creativecommons.org/licenses/by-sa/4.0/", "CC_BYSA_4_0"),
        _l("cc-nc", "知识共享 署名-非商业 4.0", "Creative Commons Attribution Non-Commercial 4.0", "https://creativecommons.org/licenses/by-nc/4.0/", "CC_BYNC_4_0", is_open=False),
        _l("odc-by", "开放数据共用 署名", "Open Data Commons Attribution", "https://opendatacommons.org/licenses/by/1-0/", "ODC_BY"),
        _l("odc-odbl", "开放数据共用 开放数据库", "Open Data Commons Open Database License", "https://opendatacommons.org/licenses/odbl/1-0/", "ODC_BL"),
        _l("odc-pddl", "开放数据共用 公共领域", "Open Data Commons Public Domain", "https://opendatacommons.org/licenses/pddl/1-0/", "ODC_PDDL"),
        _l("ogdl-tw-1.0", "政府资料开放授权条款-第1版", "Open Government Data License (Taiwan) 1.0", "https://data.gov.tw/license"),
        _l("uk-ogl", "英国开放政府许可 3.0", "UK Open Government Licence 3.0", "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "OGL_3_0"),
        _l("other-open", "其他（开放）", "Other (Open)", ""),
        _l("other-closed", "其他（不开放）", "Other (Not Open)", "", is_open=False),
        _l("notspecified", "未注明", "License not specified", "", is_open=False),
    )
}  # fmt: skip


def licence_of(id_or_text: str) -> Licence | None:
    """The licence with this id, page or title; None for one the table does not know."""
    wanted = fold(id_or_text).strip().rstrip("/")
    if not wanted:
        return None
    found = LICENCES.get(wanted)
    if found:
        return found
    for licence in LICENCES.values():
        names = (licence.url.lower().rstrip("/"), licence.uri.lower(), licence.title.en.lower(), fold(licence.title.zh))
        if wanted in (name for name in names if name) or wanted.replace("http:", "https:") == names[0]:
            return licence
    return None
