"""The model file: what is read is what was written, and anything else is refused with its reason."""

import errno
import json
import os
import random
import stat
import struct
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from ml import artifact
from ml.artifact import (
    MANIFEST,
    TENSORS,
    THUMBNAIL,
    DataFingerprint,
    Manifest,
    PictureReference,
    model_hash,
    read_manifest,
    read_model,
    read_thumbnail,
    revised,
    write_model,
)
from ml.calibration import calibrate
from ml.errors import ModelFileError
from ml.preprocessing import Preprocessing
from ml.region_rules import RegionRules, Section
from ml.threshold_choice import ThresholdChoice

RNG_SEED = 7


def some_tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(RNG_SEED)
    return {
        "bank": rng.normal(size=(20, 8)).astype(np.float32),
        "half": rng.normal(size=(3, 4, 5)).astype(np.float16),
        "indices": np.arange(12, dtype=np.int64).reshape(3, 4),
        "bytes": np.arange(7, dtype=np.uint8),
        "scalar": np.array(3.5, np.float32),
        "empty": np.empty((0, 4), np.float32),
    }


def some_fields(**changes) -> dict:
    scores = np.random.default_rng(RNG_SEED).lognormal(0, 0.2, 30)
    names = [f"{index}.png" for index in range(30)]
    fields = {
        "name": "ring",
        "method": "patchcore",
        "parameters": {"coreset": 0.1, "backbone": "lite0", "layers": [2, 3], "epsilon": 1e-7},
        "preprocessing": Preprocessing(
            geometry="whole",
            input_height=256,
            input_width=256,
            window_low=0,
            window_high=255,
            mean=(0.498, 0.498, 0.498),
            std=(0.502, 0.502, 0.502),
        ),
        "calibration": calibrate(scores, scores * 2, names, alpha=0.01, source="5-fold"),
        "backbone": "efficientnet_lite0",
        "reference": PictureReference(
            height_px=480,
            width_px=640,
            has_one_size=True,
            is_grey=False,
            bit_depth=8,
            brightness=(0.3, 0.5),
            contrast=(0.1, 0.2),
            focus=(1.0, 4.0),
            likeness_min=0.8,
        ),
        "data": DataFingerprint(files=(("ä.png", "0" * 64), ("b.png", "1" * 64)), skipped=("broken.png",)),
        "seed": 0,
        "tensors": some_tensors(),
        "thumbnail": np.random.default_rng(RNG_SEED).integers(0, 256, (64, 64), dtype=np.uint8),
    }
    return fields | changes


def write(path: Path, **changes) -> Manifest:
    return write_model(path, **some_fields(**changes))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "ring.loupe"
    write(path)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repack(path: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)


def alter_manifest(path: Path, rehash: bool = False, **changes) -> None:
    parts = parts_of(path)
    document = json.loads(parts[MANIFEST]) | changes
    if rehash:
        document["model_hash"] = model_hash(document)
    repack(path, parts | {MANIFEST: json.dumps(document).encode()})


def assert_refused(path: Path, reason: str) -> None:
    for read in (read_manifest, read_model, read_thumbnail):
        with pytest.raises(ModelFileError, match=reason) as refusal:
            read(path)
        assert str(path) in str(refusal.value)


# --- what is written is what is read --------------------------------------------------------------------------------


def test_that_a_model_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "ring.loupe"
    written = write(path)
    manifest, tensors = read_model(path)
    assert manifest == written == read_manifest(path)
    assert tensors.keys() == some_tensors().keys()
    for name, expected in some_tensors().items():
        assert tensors[name].dtype == expected.dtype
        np.testing.assert_array_equal(tensors[name], expected)
    np.testing.assert_array_equal(read_thumbnail(path), some_fields()["thumbnail"])


def test_that_the_tensors_can_be_written_to(model):
    _, tensors = read_model(model)
    assert all(array.flags.writeable for array in tensors.values())


def test_that_the_file_is_a_stored_zip_of_exactly_three_parts(model):
    with zipfile.ZipFile(model) as archive:
        assert archive.namelist() == [MANIFEST, TENSORS, THUMBNAIL]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_that_a_model_may_have_no_thumbnail_or_a_colour_one(tmp_path):
    write(tmp_path / "none.loupe", thumbnail=None)
    assert read_thumbnail(tmp_path / "none.loupe") is None
    assert read_model(tmp_path / "none.loupe")[0].thumbnail_sha256 is None
    colour = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    write(tmp_path / "colour.loupe", thumbnail=colour)
    np.testing.assert_array_equal(read_thumbnail(tmp_path / "colour.loupe"), colour)


def test_that_memory_layout_and_byte_order_do_not_matter(tmp_path):
    plain = np.random.default_rng(0).normal(size=(6, 10)).astype(np.float32)
    layouts = {
        "plain": plain,
        "fortran": np.asfortranarray(plain),
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
        "reversed": plain[::-1].copy()[::-1],
        "big endian": plain.astype(">f4"),
    }
    hashes = {write(tmp_path / f"{name}.loupe", tensors={"a": array}).model_hash for name, array in layouts.items()}
    assert len(hashes) == 1
    for name in layouts:
        np.testing.assert_array_equal(read_model(tmp_path / f"{name}.loupe")[1]["a"], plain)


def test_that_a_type_that_cannot_be_stored_is_refused_by_its_name(tmp_path):
    with pytest.raises(ModelFileError, match="'odd' holds complex64"):
        write(tmp_path / "a.loupe", tensors={"odd": np.zeros(3, np.complex64)})
    with pytest.raises(ModelFileError, match="'odd' holds object"):
        write(tmp_path / "a.loupe", tensors={"odd": np.array([{}, None])})
    assert list(tmp_path.iterdir()) == []


def test_that_parameters_that_json_cannot_hold_are_refused(tmp_path):
    for value in (float("nan"), float("inf"), Path("x"), {1, 2}):
        with pytest.raises(ModelFileError, match="cannot be described"):
            write(tmp_path / "a.loupe", parameters={"value": value})
    assert list(tmp_path.iterdir()) == []


# --- the hash -------------------------------------------------------------------------------------------------------


def test_that_the_same_model_has_the_same_hash_and_bytes_apart_from_dates(tmp_path):
    first = write(tmp_path / "a.loupe")
    second = write(tmp_path / "b.loupe", tensors=dict(reversed(some_tensors().items())))
    assert first.model_hash == second.model_hash
    one, two = parts_of(tmp_path / "a.loupe"), parts_of(tmp_path / "b.loupe")
    dates = {"created_utc": None}
    assert one[TENSORS] == two[TENSORS]
    assert one[THUMBNAIL] == two[THUMBNAIL]
    assert json.loads(one[MANIFEST]) | dates == json.loads(two[MANIFEST]) | dates


CHANGES = {
    "method": {"method": "padim"},
    "parameters": {"parameters": {"coreset": 0.1000000000000001}},
    "seed": {"seed": 1},
    "backbone": {"backbone": None},
    "data": {"data": DataFingerprint(files=(("a.png", "2" * 64),))},
    "reference": {"reference": some_fields()["reference"].model_copy(update={"width_px": 641})},
    "preprocessing": {"preprocessing": some_fields()["preprocessing"].model_copy(update={"window_high": 254.0})},
    "calibration": {"calibration": some_fields()["calibration"].with_alpha(0.02)},
    "a value": {"tensors": some_tensors() | {"bytes": np.arange(1, 8, dtype=np.uint8)}},
    "a shape": {"tensors": some_tensors() | {"bytes": np.arange(7, dtype=np.uint8).reshape(7, 1)}},
    "a type": {"tensors": some_tensors() | {"bytes": np.arange(7, dtype=np.uint8).view(np.bool_)}},
    "a name": {"tensors": {f"{name}2": array for name, array in some_tensors().items()}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_that_whatever_decides_a_verdict_changes_the_hash(tmp_path, change):
    assert write(tmp_path / "a.loupe").model_hash != write(tmp_path / "b.loupe", **change).model_hash


def test_that_name_notes_and_thumbnail_do_not_change_the_hash(tmp_path):
    other = {"name": "other", "notes": "for line 2", "thumbnail": None}
    assert write(tmp_path / "a.loupe").model_hash == write(tmp_path / "b.loupe", **other).model_hash


def test_that_the_hash_is_of_canonical_json(model):
    document = json.loads(parts_of(model)[MANIFEST])
    hashed = {name: document[name] for name in artifact.HASHED_FIELDS}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert document["model_hash"] == sha256(text.encode()).hexdigest()


def test_that_a_new_threshold_is_a_new_version(model, tmp_path):
    before, tensors = read_model(model)
    out = tmp_path / "ring-2.loupe"
    after = revised(model, out, before.calibration.with_alpha(0.05), before.rules)
    assert after.model_hash != before.model_hash
    assert after.calibration.threshold < before.calibration.threshold
    assert (after.tensors, after.name, after.data) == (before.tensors, before.name, before.data)
    np.testing.assert_array_equal(read_model(out)[1]["bank"], tensors["bank"])
    np.testing.assert_array_equal(read_thumbnail(out), read_thumbnail(model))
    assert revised(model, out, before.calibration, before.rules).model_hash == before.model_hash


def test_that_a_chosen_threshold_and_other_rules_are_a_new_version_that_reads_back(model, tmp_path):
    before = read_manifest(model)
    choice = ThresholdChoice(rule="manual", threshold=2 * before.calibration.threshold, unsure_share=None)
    rules = RegionRules(verdict="rules", sections=(Section(reach=1, min_area_px=9),))
    out = tmp_path / "judged.loupe"
    after = revised(model, out, before.calibration.with_choice(choice), rules)
    assert read_manifest(out) == after
    assert after.calibration.choice == choice and after.rules == rules and after.model_hash != before.model_hash
    without = revised(out, tmp_path / "back.loupe", before.calibration, None)
    assert without.model_hash == before.model_hash


def test_that_a_model_file_is_never_changed_in_place(model):
    data = model.read_bytes()
    with pytest.raises(ModelFileError, match="never changed"):
        revised(model, model.parent / "." / model.name, read_manifest(model).calibration.with_alpha(0.05), None)
    assert model.read_bytes() == data


# --- refusals -------------------------------------------------------------------------------------------------------


def test_that_what_is_no_model_file_is_refused(tmp_path):
    assert_refused(tmp_path / "missing.loupe", "no such file")
    assert_refused(tmp_path, "is a folder")
    for name, data in {"empty": b"", "text": b"hello" * 100, "png": b"\x89PNG\r\n\x1a\n" + bytes(500)}.items():
        (tmp_path / name).write_bytes(data)
        assert_refused(tmp_path / name, "no model file")
    repack(tmp_path / "other.zip", {"readme.txt": b"hello"})
    assert_refused(tmp_path / "other.zip", "has no manifest.json")
    assert_refused(Path("/dev/null"), "device or pipe")
    assert_refused(tmp_path / ("x" * 300), "cannot be read")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95, 0.999])
def test_that_a_truncated_file_is_refused(model, share):
    data = model.read_bytes()
    model.write_bytes(data[: int(len(data) * share)])
    assert_refused(model, "cut short or damaged")


@pytest.mark.parametrize("part", [MANIFEST, TENSORS, THUMBNAIL])
def test_that_a_missing_part_is_refused(model, part):
    parts = parts_of(model)
    del parts[part]
    repack(model, parts)
    assert_refused(model, part)


def test_that_an_unknown_part_is_refused(model):
    repack(model, parts_of(model) | {"code.py": b"print()"})
    assert_refused(model, r"unknown part 'code\.py'")


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil", "/etc/passwd", "..\\evil", "C:\\evil", "\\\\host\\share\\x", "C:evil"]
)
def test_that_a_name_that_leads_outside_is_refused(model, name):
    repack(model, parts_of(model) | {name: b"x"})
    assert_refused(model, "leads out of the file")


def test_that_a_compressed_part_is_refused(model):
    repack(model, parts_of(model), zipfile.ZIP_DEFLATED)
    assert_refused(model, "is compressed")


def test_that_a_part_that_occurs_twice_is_refused(model):
    with zipfile.ZipFile(model, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(TENSORS, b"other")
    assert_refused(model, "occurs twice")


def edit_central_directory(path: Path, member: str, offset: int, fmt: str, value: int) -> None:
    data = bytearray(path.read_bytes())
    start = data.rindex(member.encode()) - 46
    assert data[start : start + 4] == b"PK\x01\x02"
    struct.pack_into(fmt, data, start + offset, value)
    path.write_bytes(data)


def test_that_an_encrypted_part_is_refused(model):
    edit_central_directory(model, TENSORS, 8, "<H", 1)
    assert_refused(model, "is encrypted")


def test_that_a_part_that_claims_more_than_the_file_has_is_refused(model):
    edit_central_directory(model, TENSORS, 20, "<I", 2_000_000_000)
    edit_central_directory(model, TENSORS, 24, "<I", 2_000_000_000)
    assert_refused(model, "claims 2000000000 bytes")


def test_that_a_manifest_beyond_any_real_size_is_refused(model, monkeypatch):
    monkeypatch.setitem(artifact.SIZE_LIMITS, MANIFEST, 100)
    assert_refused(model, "more than it can have")


@pytest.mark.parametrize("part", [TENSORS, THUMBNAIL])
def test_that_an_exchanged_part_is_refused(model, part):
    parts = parts_of(model)
    repack(model, parts | {part: parts[part][:-1] + bytes([parts[part][-1] ^ 1])})
    with pytest.raises(ModelFileError, match=f"{part} was altered"):
        read_model(model)


def test_that_exchanged_tensors_are_refused_even_with_a_matching_file_hash(model, tmp_path):
    write(tmp_path / "other.loupe", tensors=some_tensors() | {"bank": np.zeros((20, 8), np.float32)})
    blob = parts_of(tmp_path / "other.loupe")[TENSORS]
    repack(model, parts_of(model) | {TENSORS: blob})
    alter_manifest(model, tensors_sha256=sha256(blob).hexdigest())
    with pytest.raises(ModelFileError, match="tensor 'bank' is not the one"):
        read_model(model)


def test_that_tensors_that_cannot_be_read_are_refused(model):
    for blob in (b"", b"x" * 40, struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 2) + b"{}"):
        repack(model, parts_of(model) | {TENSORS: blob})
        alter_manifest(model, tensors_sha256=sha256(blob).hexdigest())
        with pytest.raises(ModelFileError, match="its tensors"):
            read_model(model)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 99),
        ("method", "padim"),
        ("backbone", "resnet18"),
        ("parameters", {}),
        ("model_hash", "0" * 64),
    ],
)
def test_that_a_tampered_manifest_is_refused(model, field, value):
    alter_manifest(model, **{field: value})
    assert_refused(model, "was altered")


def test_that_a_tampered_threshold_is_refused(model):
    document = json.loads(parts_of(model)[MANIFEST])
    alter_manifest(model, calibration=document["calibration"] | {"threshold": 1e6})
    assert_refused(model, "was altered")


def test_that_a_wrong_or_missing_entry_is_named(model):
    alter_manifest(model, rehash=True, seed="many")
    assert_refused(model, "wrong or missing entry: seed")
    alter_manifest(model, rehash=True, seed=0, surprise=1)
    assert_refused(model, "surprise")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": NaN}', b"[" * 100_000, b'{"schema_version": true}'],
)
def test_that_a_manifest_that_is_no_manifest_is_refused(model, text):
    repack(model, parts_of(model) | {MANIFEST: text})
    assert_refused(model, "its manifest.json")


def test_that_a_manifest_without_hashed_fields_is_refused(model):
    repack(model, parts_of(model) | {MANIFEST: b'{"schema_version": 1}'})
    assert_refused(model, "wrong or missing entry")


def test_that_a_newer_version_is_refused_by_both_versions_whatever_else_it_holds(model):
    alter_manifest(model, schema_version=7, surprise=1)
    repack(model, parts_of(model) | {"graph.onnx": b"x"})
    assert_refused(model, "version 7, and this Loupe reads up to version 2. Update Loupe")


def test_that_a_flipped_byte_is_refused_or_harmless(model, tmp_path):
    expected = read_model(model)
    data = model.read_bytes()
    flips = random.Random(3)
    damaged = tmp_path / "damaged.loupe"
    refused = 0
    for _ in range(400):
        position = flips.randrange(len(data))
        damaged.write_bytes(
            data[:position] + bytes([data[position] ^ (1 << flips.randrange(8))]) + data[position + 1 :]
        )
        try:
            manifest, tensors = read_model(damaged)
        except ModelFileError:
            refused += 1
            continue
        assert manifest == expected[0]
        assert all(np.array_equal(tensors[name], expected[1][name]) for name in tensors)
    assert refused > 350


# --- writing --------------------------------------------------------------------------------------------------------


def test_that_a_missing_or_unusable_folder_is_told(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be written: No such file or directory"):
        write(tmp_path / "nowhere" / "a.loupe")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ModelFileError, match="cannot be written: Not a directory"):
        write(tmp_path / "file" / "a.loupe")
    (tmp_path / "folder.loupe").mkdir()
    with pytest.raises(ModelFileError, match="cannot be written"):
        write(tmp_path / "folder.loupe")


def test_that_a_full_disk_leaves_the_old_file_and_nothing_else(model, monkeypatch):
    before = model.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match="No space left on device"):
        write(model, seed=1)
    assert model.read_bytes() == before
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder that may not be written to")
def test_that_a_read_only_folder_is_told(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(ModelFileError, match="Permission denied"):
            write(tmp_path / "a.loupe")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_that_model_files_are_read_without_torch(model):
    code = (
        "import sys; from pathlib import Path; from ml.artifact import read_model, read_thumbnail;"
        f"read_model(Path({str(model)!r})); read_thumbnail(Path({str(model)!r}));"
        "assert not {'torch', 'torchvision', 'timm', 'sklearn', 'PySide6'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
