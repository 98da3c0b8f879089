"""Where the documentation is."""

DOCUMENTATION = "https://skpc.readthedocs.io/en/stable/"  # not published yet


class DocumentedMixin:
    """Lets scikit-learn's HTML representation of an estimator link to its page of the API."""

    _doc_link_module = "skpc"
    _doc_link_template = DOCUMENTATION + "generated/{estimator_module}.{estimator_name}.html"
