"""The EU's and IANA's names for what our catalogue says in its own words, as DCAT-AP 3 wants them."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from sanqu.catalog.records import Opening
from sanqu.ground.i18n import Text

AUTHORITY = "http://publications.europa.eu/resource/authority/"
IANA = "http://www.iana.org/assignments/media-types/"

# ISO 8601 duration → EU frequency (publications.europa.eu, table “frequency”); of several the first is the usual one.
FREQUENCIES = {
    "PT1M": "UPDATE_CONT", "PT5M": "UPDATE_CONT", "PT10M": "UPDATE_CONT", "PT15M": "15MIN", "PT30M": "30MIN",
    "PT1H": "HOURLY", "PT12H": "DAILY_2", "P1D": "DAILY", "PT24H": "DAILY", "P2D": "WEEKLY_3", "P7D": "WEEKLY",
    "P1W": "WEEKLY", "P14D": "BIWEEKLY", "P2W": "BIWEEKLY", "P15D": "MONTHLY_2", "P1M": "MONTHLY", "P30D": "MONTHLY",
    "P31D": "MONTHLY", "P2M": "BIMONTHLY", "P3M": "QUARTERLY", "P90D": "QUARTERLY", "P4M": "ANNUAL_3",
    "P6M": "ANNUAL_2", "P1Y": "ANNUAL", "P12M": "ANNUAL", "P365D": "ANNUAL", "P366D": "ANNUAL", "P2Y": "BIENNIAL",
    "P3Y": "TRIENNIAL", "P5Y": "QUINQUENNIAL", "P10Y": "DECENNIAL",
}  # fmt: skip
THEMES: dict[str, Text] = {
    "AGRI": Text(zh="农业、渔业、林业与食品", en="Agriculture, fisheries, forestry and food"),
    "ECON": Text(zh="经济与金融", en="Economy and finance"),
    "EDUC": Text(zh="教育、文化与体育", en="Education, culture and sport"),
    "ENER": Text(zh="能源", en="Energy"),
    "ENVI": Text(zh="环境", en="Environment"),
    "GOVE": Text(zh="政府与公共部门", en="Government and public sector"),
    "HEAL": Text(zh="健康", en="Health"),
    "INTR": Text(zh="国际事务", en="International issues"),
    "JUST": Text(zh="司法与公共安全", en="Justice, legal system and public safety"),
    "OP_DATPRO": Text(zh="临时数据", en="Provisional data"),
    "REGI": Text(zh="区域与城市", en="Regions and cities"),
    "SOCI": Text(zh="人口与社会", en="Population and society"),
    "TECH": Text(zh="科学与技术", en="Science and technology"),
    "TRAN": Text(zh="交通", en="Transport"),
}
# CKAN format → (EU file type, media type); an empty file type where the EU's table has none.
FORMATS = {
    "CSV": ("CSV", "text/csv"), "TSV": ("TSV", "text/tab-separated-values"), "JSON": ("JSON", "application/json"),
    "GeoJSON": ("GEOJSON", "application/geo+json"), "XML": ("XML", "application/xml"),
    "XLSX": ("XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "XLS": ("XLS", "application/vnd.ms-excel"), "Parquet": ("", "application/vnd.apache.parquet"),
    "PDF": ("PDF", "application/pdf"), "HTML": ("HTML", "text/html"), "TXT": ("TXT", "text/plain"),
    "ZIP": ("ZIP", "application/zip"), "RDF": ("RDF_XML", "application/rdf+xml"), "TTL": ("RDF_TURTLE", "text/turtle"),
    "JSON-LD": ("JSON_LD", "application/ld+json"), "JSONLD": ("JSON_LD", "application/ld+json"),
    "KML": ("KML", "application/vnd.google-earth.kml+xml"), "KMZ": ("KMZ", "application/vnd.google-earth.kmz"),
    "SHP": ("SHP", ""), "ODS": ("ODS", "application/vnd.oasis.opendocument.spreadsheet"),
    "DOCX": ("DOCX", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "DOC": ("DOC", "application/msword"), "JPG": ("JPEG", "image/jpeg"), "JPEG": ("JPEG", "image/jpeg"),
    "PNG": ("PNG", "image/png"), "TIFF": ("TIFF", "image/tiff"), "WMS": ("WMS_SRVC", ""), "WFS": ("WFS_SRVC", ""),
    "SPARQL": ("SPARQLQ", ""), "GTFS": ("GTFS", ""), "GPKG": ("GPKG", "application/geopackage+sqlite3"),
}  # fmt: skip
ACCESS: dict[Opening, str] = {"unconditional": "PUBLIC", "restricted": "RESTRICTED", "none": "NON_PUBLIC"}


def frequency_uri(freshness: str | None) -> str:
    """The EU's name for how often data is renewed; other intervals and unknown ones have names too."""
    code = "UNKNOWN" if not freshness else FREQUENCIES.get(freshness, "OTHER")
    return f"{AUTHORITY}frequency/{code}"


def duration_of(frequency: str) -> str | None:
    """The ISO 8601 duration for an EU frequency URI or code, or None where it names no interval."""
    code = frequency.rstrip("/").rsplit("/", 1)[-1].upper()
    return next((duration for duration, known in FREQUENCIES.items() if known == code and duration.startswith("P")), None)


def format_from_uri(uri: str) -> str:
    """The catalogue's spelling of a format given as an EU file type or an IANA media type; empty when unknown."""
    last = uri.rstrip("/").rsplit("/", 1)[-1]
    for name, (eu, media) in FORMATS.items():
        if last.upper() == eu or (media and uri.endswith(media)):
            return name
    return last.upper() if uri.startswith(AUTHORITY) else ""


def iri(address: str) -> str | None:
    """`address` as a valid absolute IRI (spaces and the like escaped), or None when it is none."""
    escaped = quote(address.strip(), safe=":/?#[]@!$&'()*+,;=%-._~")
    try:
        parts = urlsplit(escaped)
        if parts.scheme.lower() not in ("http", "https", "ftp") or not parts.hostname:
            return None
    except ValueError:
        return None
    # Brackets belong to IPv6 hosts only (RFC 3986 §3.2.2).
    head, slash, rest = escaped.partition("://")[2].partition("/")
    return f"{parts.scheme}://{head}{slash}{rest.replace('[', '%5B').replace(']', '%5D')}"
