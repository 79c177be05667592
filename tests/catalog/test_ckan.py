"""The unmodified ckanapi client works against the catalogue."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from ckanapi import NotAuthorized, NotFound, RemoteCKAN, ValidationError

from sanqu.ground.city import City

from .conftest import Put, Served


@pytest.fixture
def ckan(served: Served) -> RemoteCKAN:
    return RemoteCKAN(served.url, apikey=served.key)


@pytest.fixture
def public(served: Served) -> RemoteCKAN:
    return RemoteCKAN(served.url)


def make(ckan: RemoteCKAN, name: str = "citrus", **more: Any) -> dict[str, Any]:
    wish = {"name": name, "title": "柑橘产量", "notes": "每年产量", "owner_org": "3308-agri", "license_id": "cc-by", "tags": [{"name": "柑橘"}], "groups": [{"name": "agriculture"}], "resources": [{"url": "http://example.org/a.csv", "format": "csv", "name": "a"}], "extras": [{"key": "region", "value": "衢州"}]}
    return ckan.action.package_create(**(wish | more))


def test_a_package_goes_through_its_whole_life(ckan: RemoteCKAN, public: RemoteCKAN) -> None:
    made = make(ckan)
    assert made["organization"]["title"] == "市农业农村局" and made["groups"][0]["title"] == "农业农村"
    assert made["resources"][0]["format"] == "CSV" and made["isopen"] and made["state"] == "active"
    assert public.action.package_list() == ["citrus"]
    assert public.action.package_show(id=made["id"]) == public.action.package_show(id="citrus") == made
    patched = ckan.action.package_patch(id="citrus", title="柑橘年产量")
    assert patched["title"] == "柑橘年产量" and patched["notes"] == "每年产量" and patched["extras"] == made["extras"]
    updated = ckan.action.package_update(**(patched | {"notes": "", "tags": [], "extras": []}))
    assert updated["notes"] == "" and updated["tags"] == [] and updated["resources"][0]["id"] == made["resources"][0]["id"]
    ckan.action.package_delete(id="citrus")
    assert public.action.package_list() == []
    with pytest.raises(NotFound):
        public.action.package_show(id="citrus")
    assert ckan.action.package_show(id="citrus")["state"] == "deleted"


def test_errors_have_ckans_types(ckan: RemoteCKAN, public: RemoteCKAN, served: Served) -> None:
    with pytest.raises(ValidationError) as fault:
        ckan.action.package_create(title="no name")
    assert fault.value.error_dict["name"] == ["Missing value"]
    with pytest.raises(ValidationError) as fault:
        make(ckan, "Bad Name!")
    assert "name" in fault.value.error_dict
    with pytest.raises(ValidationError) as fault:
        make(ckan, owner_org="nowhere")
    assert fault.value.error_dict["owner_org"] == ["Organization does not exist"]
    make(ckan)
    with pytest.raises(ValidationError) as fault:
        make(ckan)
    assert fault.value.error_dict["name"] == ["That URL is already in use."]
    with pytest.raises(ValidationError) as fault:
        make(ckan, "graded", grade="L4")
    assert "opening" in fault.value.error_dict
    with pytest.raises(NotAuthorized):
        make(public, "other")
    with pytest.raises(NotAuthorized):
        make(RemoteCKAN(served.url, apikey=served.officer_key), "other")
    with pytest.raises(NotAuthorized):
        RemoteCKAN(served.url, apikey="sq_wrong").action.package_list()
    with pytest.raises(NotFound):
        public.action.package_show(id="nothing")
    assert requests.get(f"{served.url}/api/3/action/nonsense", timeout=10).status_code == 400
    assert requests.post(f"{served.url}/api/3/action/package_show", data=b"{bad", headers={"content-type": "application/json"}, timeout=10).status_code == 400
    answer = requests.get(f"{served.url}/api/3/action/package_show?id=nothing", timeout=10)
    assert answer.status_code == 404 and answer.json()["error"]["__type"] == "Not Found Error" and answer.json()["success"] is False


def test_search_speaks_enough_of_solr(ckan: RemoteCKAN, public: RemoteCKAN) -> None:
    make(ckan, "citrus")
    make(ckan, "buses", title="公交客流", tags=[{"name": "公交"}], groups=[{"name": "traffic"}], owner_org="3308-traffic", resources=[])
    make(ckan, "secret", title="柑橘内部", private=True)
    find = public.action.package_search
    assert [p["name"] for p in find(q="柑橘")["results"]] == ["citrus"]
    assert find(q="*:*")["count"] == find()["count"] == 2
    assert find(fq="organization:3308-traffic")["results"][0]["name"] == "buses"
    assert find(fq='tags:"柑橘" AND groups:agriculture')["count"] == 1
    assert find(fq="-groups:agriculture")["count"] == 1
    assert find(fq="res_format:CSV")["count"] == 1
    assert find(fq="organization:(3308-traffic OR 3308-agri)")["count"] == 2
    assert find(q="name:buses")["count"] == 1 and find(q="title:公交")["count"] == 1
    assert find(fq="metadata_modified:[2020-01-01T00:00:00Z TO *]")["count"] == 2
    assert find(fq="metadata_modified:[* TO 2020-01-01T00:00:00Z]")["count"] == 0
    assert find(fq="dataset_type:dataset +state:active")["count"] == 2
    assert find(fq="no_such_field:1")["count"] == 0
    assert [p["name"] for p in find(sort="name asc")["results"]] == ["buses", "citrus"]
    assert [p["name"] for p in find(sort="name desc", rows=1, start=1)["results"]] == ["buses"]
    found = find(**{"facet.field": ["organization", "tags"], "rows": 0})
    assert found["results"] == [] and found["facets"]["organization"] == {"3308-traffic": 1, "3308-agri": 1}
    assert {i["display_name"] for i in found["search_facets"]["organization"]["items"]} == {"市交通运输局", "市农业农村局"}
    assert ckan.action.package_search(q="柑橘", include_private=True)["count"] == 2
    assert ckan.action.package_search(q="柑橘")["count"] == 1


def test_resources_live_and_carry_files(ckan: RemoteCKAN, public: RemoteCKAN, served: Served) -> None:
    made = make(ckan, resources=[])
    linked = ckan.action.resource_create(package_id="citrus", url="http://example.org/b.json", name="b", custom="kept")
    assert linked["format"] == "JSON" and linked["custom"] == "kept" and linked["position"] == 0
    sent = ckan.action.resource_create(package_id=made["id"], name="file", upload=("产量 2024.csv", io.BytesIO(b"a,b\n1,2\n")))
    assert sent["url_type"] == "upload" and sent["size"] == 8 and sent["format"] == "CSV"
    assert requests.get(sent["url"], timeout=10).content == b"a,b\n1,2\n"
    patched = ckan.action.resource_patch(id=linked["id"], description="about")
    assert patched["description"] == "about" and patched["name"] == "b"
    again = ckan.action.resource_patch(id=sent["id"], upload=("new.csv", io.BytesIO(b"x")))
    assert requests.get(again["url"], timeout=10).content == b"x"
    assert requests.get(sent["url"], timeout=10).status_code == 404
    assert public.action.resource_show(id=linked["id"])["description"] == "about"
    assert public.action.resource_search(query="name:b")["count"] == 1
    # A change of the package keeps the uploaded file.
    ckan.action.package_patch(id="citrus", notes="other")
    assert requests.get(again["url"], timeout=10).content == b"x"
    ckan.action.resource_delete(id=sent["id"])
    assert len(public.action.package_show(id="citrus")["resources"]) == 1
    assert requests.get(again["url"], timeout=10).status_code == 404
    ckan.action.package_patch(id="citrus", private=True)
    with pytest.raises(NotFound):
        public.action.resource_show(id=linked["id"])


def test_a_resource_cannot_be_taken_from_another_dataset(ckan: RemoteCKAN) -> None:
    made = make(ckan)
    with pytest.raises(ValidationError):
        make(ckan, "thief", resources=[{"id": made["resources"][0]["id"], "url": "http://evil.example"}])
    assert ckan.action.resource_show(id=made["resources"][0]["id"])["package_id"] == made["id"]


def test_organizations_and_groups_live(ckan: RemoteCKAN, public: RemoteCKAN) -> None:
    make(ckan)
    assert {"3308", "3308-agri", "3308-traffic"} <= set(public.action.organization_list())
    shown = public.action.organization_show(id="3308-agri", include_datasets=True)
    assert shown["package_count"] == 1 and shown["packages"][0]["name"] == "citrus"
    made = ckan.action.organization_create(name="3308-water", title="市水利局")
    assert made["parent"] == "3308"
    assert ckan.action.organization_patch(id="3308-water", description="水")["title"] == "市水利局"
    ckan.action.organization_delete(id="3308-water")
    assert "3308-water" not in public.action.organization_list()
    with pytest.raises(ValidationError):
        ckan.action.organization_delete(id="3308-agri")
    assert {o["name"] for o in ckan.action.organization_list_for_user()} >= {"3308-agri"}
    assert public.action.group_list() == ["agriculture", "traffic"]
    ckan.action.group_create(name="water", title="水利")
    assert ckan.action.group_update(id="water", title="水利资源")["title"] == "水利资源"
    assert public.action.group_show(id="agriculture")["package_count"] == 1
    ckan.action.group_delete(id="water")
    assert public.action.group_list() == ["agriculture", "traffic"]
    with pytest.raises(NotAuthorized):
        public.action.group_create(name="mine")


def test_the_site_describes_itself(ckan: RemoteCKAN, public: RemoteCKAN) -> None:
    make(ckan)
    assert public.action.status_show()["site_title"] == "衢州市"
    assert public.action.tag_list() == ["柑橘"]
    assert public.action.tag_show(id="柑橘", include_datasets=True)["packages"][0]["name"] == "citrus"
    assert public.action.tag_search(query="柑")["count"] == 1
    assert any(one["id"] == "cc-by" for one in public.action.license_list())
    assert public.action.vocabulary_list() == []
    assert "dataset" in public.action.help_show(name="package_show").lower()
    assert public.action.package_autocomplete(q="柑")[0]["name"] == "citrus"
    assert [u["name"] for u in ckan.action.user_list()] == ["admin", "officer"]
    with pytest.raises(NotAuthorized):
        public.action.user_list()
    assert len(public.action.current_package_list_with_resources()) == 1


def cli(served: Served, *words: str, key: str = "", stdin: str = "") -> tuple[int, str, str]:
    program = str(Path(sys.executable).parent / "ckanapi")
    environment = {"PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin"}
    done = subprocess.run([program, *words, "-r", served.url, *(["-a", key] if key else [])], input=stdin, capture_output=True, text=True, timeout=90, env=environment)
    return done.returncode, done.stdout, done.stderr


def test_the_ckanapi_command_lists_shows_searches_dumps_loads_and_deletes(
    served: Served, ckan: RemoteCKAN, tmp_path: Path
) -> None:
    make(ckan, "citrus")
    make(ckan, "buses", title="公交客流", tags=[], groups=[{"name": "traffic"}])
    code, out, _ = cli(served, "action", "package_list", "-j")
    assert code == 0 and json.loads(out) == ["buses", "citrus"]
    code, out, _ = cli(served, "action", "package_show", "id=citrus", "-g")
    assert code == 0 and json.loads(out)["title"] == "柑橘产量"
    code, out, _ = cli(served, "search", "datasets", "q=柑橘")
    assert code == 0 and json.loads(out)["name"] == "citrus"
    dumped = {}
    for thing in ("datasets", "organizations", "groups"):
        file = tmp_path / f"{thing}.jsonl"
        code, _, err = cli(served, "dump", thing, "--all", "-O", str(file), "-p", "2")
        assert code in (0, None), err
        dumped[thing] = [json.loads(line) for line in file.read_text().splitlines()]
    assert [d["name"] for d in dumped["datasets"]] == ["buses", "citrus"]
    assert {o["name"] for o in dumped["organizations"]} >= {"3308-agri"}
    before = {d["name"]: ckan.action.package_show(id=d["name"]) for d in dumped["datasets"]}
    for thing in ("organizations", "groups", "datasets"):
        code, _, err = cli(served, "load", thing, "-I", str(tmp_path / f"{thing}.jsonl"), key=served.key)
        assert code in (0, None), err
    for name, was in before.items():
        now = ckan.action.package_show(id=name)
        assert {k: v for k, v in now.items() if k != "metadata_modified"} == {k: v for k, v in was.items() if k != "metadata_modified"}
    fresh = [d | {"id": None, "name": f"{d['name']}-copy", "resources": [r | {"id": None} for r in d["resources"]]} for d in dumped["datasets"]]
    lines = "".join(json.dumps({k: v for k, v in d.items() if v is not None}) + "\n" for d in fresh)
    code, _, err = cli(served, "load", "datasets", key=served.key, stdin=lines)
    assert code in (0, None), err
    assert ckan.action.package_list() == ["buses", "buses-copy", "citrus", "citrus-copy"]
    code, _, err = cli(served, "delete", "datasets", "citrus-copy", "buses-copy", key=served.key)
    assert code in (0, None), err
    assert ckan.action.package_list() == ["buses", "citrus"]
    code, _, err = cli(served, "load", "datasets", stdin=lines)
    assert code == 3 and "NotAuthorized" in err


def test_drafts_and_closed_datasets_stay_hidden_from_every_action(served: Served, town: City, put: Put, public: RemoteCKAN) -> None:
    put("draft", "柑橘草稿", state="draft", tags=("秘密",), subjects=("agriculture",))
    put("staff", "柑橘内部", opening="none", tags=("秘密",), subjects=("agriculture",))
    assert public.action.package_list() == [] and public.action.package_search()["count"] == 0
    assert public.action.package_list(include_drafts=True) == []
    assert public.action.package_search(include_private=True, include_drafts=True)["count"] == 0
    assert public.action.package_search(fq="state:draft")["count"] == 0
    assert public.action.tag_list() == [] and public.action.group_show(id="agriculture")["package_count"] == 0
    assert public.action.package_autocomplete(q="柑") == []
    for name in ("draft", "staff"):
        with pytest.raises(NotFound):
            public.action.package_show(id=name)
    officer = RemoteCKAN(served.url, apikey=served.officer_key)
    assert officer.action.package_show(id="staff")["private"] and officer.action.package_show(id="draft")["state"] == "draft"


def test_text_that_is_no_text_is_answered_not_crashed_on(served: Served, ckan: RemoteCKAN, town: City) -> None:
    from sanqu.catalog.index import index_of

    make(ckan)
    assert ckan.action.package_search(q="柑橘")["count"] == 1
    folder = index_of(town)._home
    before = sorted(path.name for path in folder.iterdir())
    for bad in ("\ud800", "a\x00b", "柑" * 50_000, '"(((', "name:", "a:b:c:(", "[* TO", "\\"):
        answer = requests.post(f"{served.url}/api/3/action/package_search", json={"q": bad, "fq": f"tags:{bad}"}, timeout=10)
        assert answer.status_code in (200, 400, 409), (bad, answer.text)
    for name, data in (("package_show", {"id": "a\x00"}), ("tag_search", {"query": "\x00"}), ("package_autocomplete", {"q": "\ud800"}), ("resource_search", {"query": "name:\x00"})):
        answer = requests.post(f"{served.url}/api/3/action/{name}", json=data, timeout=10)
        assert answer.status_code in (200, 404, 409), (name, answer.text)
    for change in ({"title": "a\x00"}, {"tags": [{"name": "a\x00"}]}, {"extras": [{"key": "k", "value": "\x00"}]}, {"resources": [{"url": "http://x/\x00"}]}):
        with pytest.raises(ValidationError):
            ckan.action.package_patch(id="citrus", **change)
    # None of it was taken for a damaged index.
    assert sorted(path.name for path in folder.iterdir()) == before
    assert requests.get(f"{served.url}/api/catalog/datasets/a%00b", timeout=10).status_code == 404


@pytest.mark.parametrize(
    "body", ["q=柑橘", "q=%E6%9F%91%E6%A9%98", '{"q": "柑橘"}', '{"q": "柑橘"}=', "%7B%22q%22%3A%20%22%E6%9F%91%E6%A9%98%22%7D"]
)
def test_a_form_is_read_however_it_is_sent(served: Served, put: Put, body: str) -> None:
    put("harvest", "柑橘产量")
    put("weather", "每日天气")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = requests.post(f"{served.url}/api/3/action/package_search", data=body.encode(), headers=headers, timeout=10)
    assert [found["name"] for found in answer.json()["result"]["results"]] == ["harvest"]
