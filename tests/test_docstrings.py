"""Docstrings of everything public: complete, in numpydoc's form, and true to the code."""

import ast
import inspect

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import skpc
import skpc.circuit
import skpc.curvature
import skpc.datasets
import skpc.plotting
from skpc import SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector

# Examples run as doctests: a docstring without one (EX01) is an error.
IGNORED = {
    "ES01",  # a summary may say all there is to say
    "SA01",  # methods are found beside each other
}


def public_names():
    for module in skpc, skpc.circuit, skpc.curvature, skpc.datasets, skpc.plotting:
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
    errors = [error for error in validate(name)["errors"] if error[0] not in ignored]
    assert not errors


@pytest.mark.parametrize("estimator", [SharpPCDensityCV, SharpPCOutlierDetector])
def test_common_parameters_are_described_alike(estimator):
    described = {p.name: p for p in ClassDoc(SharpPCDensity)["Parameters"]}
    for parameter in ClassDoc(estimator)["Parameters"]:
        if "As in" in parameter.desc[0]:
            assert parameter.type == described[parameter.name].type


@pytest.mark.parametrize(
    "estimator", [getattr(skpc, name) for name in skpc.__all__ if name.startswith("Sharp")]
)
def test_documented_defaults_are_the_defaults(estimator):
    defaults = estimator().get_params(deep=False)
    for parameter in ClassDoc(estimator)["Parameters"]:
        said = ast.literal_eval(parameter.type.rpartition("default=")[2])
        assert said == defaults[parameter.name]
