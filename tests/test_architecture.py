"""The shape of the code: import direction, import cost, kernel specialisations, wheel."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import skpc
from skpc._circuit.inputs.kinds import KINDS

PACKAGE = Path(skpc.__file__).parent

# A package, or a module beside the packages, may import only from lines below its own.
LAYERS = """
    __main__
    _cli
    plotting dask drift
    _dask
    __init__
    _estimators datasets
    circuit
    _outliers
    _learning _queries curvature _tables
    _passes
    _circuit
    _data
    _threads
    _kernels _checks _version
"""
LEVEL = {name: level for level, line in enumerate(LAYERS.splitlines()) for name in line.split()}


def top_name(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            yield node.module
            # `from skpc import x` names a module or a public name of the package.
            if node.module == "skpc":
                yield from (f"skpc.{alias.name}" for alias in node.names)


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    own = LEVEL[top_name(path)]
    for name in imports(path):
        module = name.split(".")[1] if name.startswith("skpc.") else None
        if module in LEVEL and module != top_name(path):
            assert LEVEL[module] > own, f"{path.name} imports {name}"


def test_only_one_file_knows_private_names_of_sklearn():
    for path in SOURCES:
        private = [
            name
            for name in imports(path)
            if name.startswith("sklearn") and any(part.startswith("_") for part in name.split("."))
        ]
        assert not private or path.name == "sklearn_private.py", (path, private)


def test_kinds_of_distributions_are_known_by_name_alone():
    """Only the public module of circuits may name the classes, to show them; nobody asks for one.

    So a new kind needs no other file.
    """
    kinds = {kind.__name__ for kind in KINDS.values()}
    for path in SOURCES:
        if path.parent.name == "inputs" or path.relative_to(PACKAGE).as_posix() == "circuit.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not kinds & {alias.name for alias in node.names}, path
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                asked = {getattr(part, "id", "") for part in ast.walk(node.args[1])}
                assert not asked & {*kinds, "InputDistribution"}, f"{path}, line {node.lineno}"


def test_the_maths_runs_without_sklearn():
    free = {name for name, level in LEVEL.items() if level > LEVEL["_estimators"]} - {"_tables"}
    for path in SOURCES:
        if top_name(path) in free:
            assert not [name for name in imports(path) if name.split(".")[0] == "sklearn"], path


def test_only_one_file_knows_thread_counts():
    for path in SOURCES:
        if path.name != "_threads.py":
            text = path.read_text()
            assert "set_num_threads" not in text
            assert "threadpoolctl" not in text


ASKED_FOR_FRAMES = "dependence_mixin.py", "datasets.py", "drift.py"


def test_only_the_files_of_frames_know_their_libraries():
    """But for what reads a file or returns a frame, which imports pandas where it does."""
    for path in SOURCES:
        if top_name(path) == "_cli" or path.name in ASKED_FOR_FRAMES:
            continue
        names = {name.split(".")[0] for name in imports(path)}
        files = {"frames.py", "dtypes.py", "pandas_frames.py", "arrow_types.py", "parquet.py"}
        is_free = path.name in files | {"near_misses.py"}  # which names them in messages
        assert is_free or not names & {"narwhals", "pandas", "polars", "pyarrow"}, path
        dtypes = ("CategoricalDtype(", "polars.", "pyarrow.", "DatetimeTZDtype")
        assert is_free or not any(d in path.read_text() for d in dtypes), path


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout


def test_import_leaves_heavy_modules_alone():
    program = "import skpc, sys; print(*[m for m in ('numba', 'matplotlib') if m in sys.modules])"
    assert run(program).split() == []


def test_plotting_is_a_leaf_and_imports_matplotlib_only_to_draw():
    for path in SOURCES:
        if top_name(path) not in ("plotting", "_cli"):
            assert not [name for name in imports(path) if name.startswith("skpc.plotting")], path
    assert run("import skpc.plotting, sys; print('matplotlib' in sys.modules)") == "False\n"


def test_dask_is_a_leaf_and_known_there_alone():
    for path in SOURCES:
        if top_name(path) not in ("dask", "_dask"):
            foreign = ("dask", "distributed")
            assert not [n for n in imports(path) if n.split(".")[0] in foreign], path
            own = ("skpc.dask", "skpc._dask")
            assert not [n for n in imports(path) if n.startswith(own)], path


@pytest.mark.slow
def test_kernels_have_one_specialisation_each():
    """Fits and queries of every kind must not compile a kernel twice: it costs seconds.

    One small kernel, 0.3 s, reads raw values as they come: of as many dtypes as it says.
    """
    program = """
import numpy as np, pkgutil, importlib, warnings
warnings.simplefilter("ignore")
import skpc, skpc._kernels, skpc.curvature
from skpc._data.evidence import _NATIVE
from scipy.sparse import csr_array
X = np.random.default_rng(0).integers(0, 2, (50, 4))
holes = np.where(X * 0.0 + np.random.default_rng(1).random((50, 4)) < 0.1, np.nan, X)
for parameters in (
    {}, {"regularizer": "gated"}, {"update": "cubic"}, {"multiplier": "exact"},
    {"n_latents": 1}, {"structure": "rat", "n_components": 2}, {"n_components": 2},
    {"early_stopping": True}, {"batch_size": 20}, {"solver": "adam", "mu": 1e-6},
    {"init": "random"},
):
    for data in (X, holes, np.asfortranarray(X), X.astype(np.uint8), X[:, :1],
                 csr_array(X), X * 0.1, np.hstack([holes, X * 0.3])):
        model = skpc.SharpPCDensity(**{"n_latents": 3, "max_iter": 3, **parameters}).fit(data)
        model.score_samples(data), model.hessian_trace(data), model.sample(3)
        model.feature_contributions(data), model.latent_posterior(data, 0)
        model.sample(2, given=data)
        model.fit(data, sample_weight=np.arange(50))
        circuit, rows = model.circuit_, model._validate(data)
        for inputs in False, True:
            skpc.curvature.trace_gradient(circuit, rows, include_inputs=inputs)
            skpc.curvature.hessian_spectrum(circuit, rows, 1, include_inputs=inputs)
for module in pkgutil.iter_modules(skpc._kernels.__path__):
    for name, kernel in vars(importlib.import_module(f"skpc._kernels.{module.name}")).items():
        n_dtypes = len(_NATIVE) if name == "encode" else 1
        if hasattr(kernel, "signatures") and len(kernel.signatures) > n_dtypes:
            print(module.name, name, kernel.signatures)
"""
    assert run(program) == ""


def test_wheel_is_pure_python_and_complete(tmp_path):
    root, source = PACKAGE.parent, tmp_path / "source"
    shutil.copytree(PACKAGE, source / "skpc")  # compiled caches included: they must stay out
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], check=True, cwd=source, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {path.relative_to(root).as_posix() for path in SOURCES} | {"skpc/py.typed"}


def test_no_rows_are_sorted_as_records():
    """An interrupt within a comparison of records is a TypeError."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                is_unique = node.func.attr == "unique"
                by_rows = any(keyword.arg == "axis" for keyword in node.keywords)
                assert not (is_unique and by_rows), f"{path}, line {node.lineno}"


def test_helpers_with_sums_in_any_order_are_part_of_their_callers():
    """Else their bits are others in the process that compiles them; see `skpc._kernels.njit`."""
    found = []
    for path in sorted((PACKAGE / "_kernels").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("_"):
                options = {
                    k.arg
                    for d in node.decorator_list
                    if isinstance(d, ast.Call)
                    for k in d.keywords
                }
                if "fastmath" in options:
                    found.append(node.name)
                    assert options & {"forceinline", "inline"}, f"{path.name}: {node.name}"
    assert len(found) >= 5


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_and_files_stay_small(path):
    """Public modules are long by their docstrings; kernels take some scalars besides."""
    text = path.read_text()
    most = 10 if path.parent.name == "_kernels" else 8
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = {argument.arg for argument in arguments} - {"self", "cls"}
            assert len(names) <= most, f"{node.name} has {len(names)} parameters"
    assert len(text.splitlines()) <= (650 if path.name == "circuit.py" else 500)
