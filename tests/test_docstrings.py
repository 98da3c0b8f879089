"""Docstrings of everything public: complete, in numpydoc's form, and true to the code."""

import ast
import doctest
import inspect

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import skpc
import skpc.circuit
import skpc.curvature
import skpc.dask
import skpc.datasets
import skpc.drift
import skpc.plotting

# Examples run as doctests: a docstring without one (EX01) is an error.
IGNORED = {
    "ES01",  # a summary may say all there is to say
    "SA01",  # methods are found beside each other
}


def public_names():
    modules = skpc.circuit, skpc.curvature, skpc.dask, skpc.datasets, skpc.drift, skpc.plotting
    for module in (skpc, *modules):
        for name in module.__all__:
            thing = getattr(module, name)
            if not callable(thing):
                continue
            yield f"{module.__name__}.{name}"
            if inspect.isclass(thing):
                for attribute in dir(thing):
                    member = inspect.getattr_static(thing, attribute)
                    member = member.fget if isinstance(member, property) else member
                    is_ours = str(getattr(member, "__module__", "")).startswith("skpc")
                    if is_ours and not attribute.startswith("_"):
                        yield f"{module.__name__}.{name}.{attribute}"


@pytest.mark.parametrize("name", list(public_names()))
def test_docstring_is_complete(name):
    ignored = set(IGNORED)
    if "Display." in name or "Circuit." in name:
        ignored.add("EX01")  # the example of the class makes one, and draws it or asks it
    if name in ("skpc.dask.SharpPCDensity", "skpc.dask.SharpPCOutlierDetector"):
        ignored.add("PR01")  # the parameters of their namesakes are documented there
    errors = [error for error in validate(name)["errors"] if error[0] not in ignored]
    assert not errors


def examples():
    """Those of methods of public estimators: of the classes pytest finds them in the package."""
    finder = doctest.DocTestFinder()
    for name in skpc.__all__:
        thing = getattr(skpc, name)
        if inspect.isclass(thing):
            for case in finder.find(thing, f"skpc.{name}", module=False):
                if case.examples and case.name != f"skpc.{name}":
                    yield case


@pytest.mark.parametrize("case", list(examples()), ids=lambda case: case.name)
def test_examples_of_methods_run(case):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.DocTestRunner(optionflags=flags).run(case, clear_globs=False).failed == 0


def test_methods_of_all_public_estimators_have_examples_that_run():
    classes = {case.name.split(".")[1] for case in examples()}
    assert classes >= {name for name in skpc.__all__ if name.startswith("Sharp")}


@pytest.mark.parametrize(
    "estimator", [getattr(skpc, name) for name in skpc.__all__ if name.startswith("Sharp")]
)
def test_documented_defaults_are_the_defaults(estimator):
    defaults = estimator().get_params(deep=False)
    for parameter in ClassDoc(estimator)["Parameters"]:
        text = parameter.type.rpartition("default=")[2]
        said = float(text) if text == "nan" else ast.literal_eval(text)
        default = defaults[parameter.name]
        assert said == default or (said != said and default != default)
