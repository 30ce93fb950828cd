"""A part of a project: folders that are looked at by themselves, files whose imports are not there."""

from pathlib import Path

import pytest

from tests.lint.linting import lines, lint
from trueup.lint.runner import job
from trueup.lint.runner import lint as run

LOST = "lost-json-change"
MODEL = """\
from sqlalchemy import JSON, Column, Integer
from shop.db import Base


class Parcel(Base):
    __tablename__ = "parcels"
    id = Column(Integer, primary_key=True)
    contents = Column(JSON)
"""
SERVICE = """\
from {module} import Parcel


def pack(session, order) -> None:
    box = session.get(Parcel, order)
    box.contents["packed"] = True
    session.commit()
    spare = Parcel(contents={{}})
    spare.contents["packed"] = False
    session.add(spare)
    session.commit()
"""


def found(files: dict[str, str], path: str) -> list[int]:
    return lines([finding for finding in lint(files, LOST) if str(finding.where).startswith(path)])


def test_a_package_without_init_keeps_its_name_when_it_is_looked_at_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "models.py").write_text(MODEL)
    (folder / "packing.py").write_text(SERVICE.format(module="shop.models"))
    report = run(job([str(folder)], select=[LOST], use_cache=False))
    assert lines(list(report.findings)) == [6]


@pytest.mark.parametrize("path", ["parcel.py", "models.py", "models/shipping.py", "elsewhere/models.py"])
def test_a_model_is_known_by_the_end_of_its_module_and_its_name(path: str) -> None:
    assert found({path: MODEL, "packing.py": SERVICE.format(module="shop.models.parcel")}, "packing.py") == [6]


@pytest.mark.parametrize("module", ["shop.schemas", "shop.models.dto", "pydantic.models"])
def test_a_class_of_the_same_name_from_elsewhere_is_no_model(module: str) -> None:
    service = SERVICE.format(module=module)
    files = {"shop/models.py": MODEL, "packing.py": service.replace("session.get(Parcel, order)", "Parcel(order)")}
    assert found(files, "packing.py") == []


def test_two_models_of_a_name_are_told_apart_or_left_alone() -> None:
    files = {"a/models.py": MODEL, "b/models.py": MODEL, "packing.py": SERVICE.format(module="shop.models.parcel")}
    assert found(files, "packing.py") in ([], [6])


@pytest.mark.parametrize("kind", ["JSONDict", "PortableJson()", "types.JsonText(200)"])
def test_a_type_of_a_file_that_is_not_there_is_told_by_its_name(kind: str) -> None:
    model = MODEL.replace("Column(JSON)", f"Column({kind})").replace(
        "import JSON, Column, Integer", "import Column, Integer\nfrom shop.sql import JSONDict, PortableJson, types"
    )
    files = {"shop/models.py": model, "packing.py": SERVICE.format(module="shop.models")}
    assert found(files, "packing.py") == [6]


def test_a_type_of_that_kind_which_watches_its_values_is_left_alone() -> None:
    model = MODEL.replace("Column(JSON)", "Column(MutableJsonDict)").replace(
        "import JSON, Column, Integer", "import Column, Integer\nfrom shop.sql import MutableJsonDict"
    )
    assert found({"shop/models.py": model, "packing.py": SERVICE.format(module="shop.models")}, "packing.py") == []


@pytest.mark.parametrize("column", ["db.Column(db.JSON)", "mapped_column(JSON)"])
def test_models_whose_base_is_not_there_are_models(column: str) -> None:
    models = f"from .extensions import db, JSON, mapped_column\n\nclass Parcel(db.Model):\n    contents = {column}\n"
    assert found({"models.py": models, "packing.py": SERVICE.format(module="shop.models")}, "packing.py") == [6]
