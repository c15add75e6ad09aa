import tests.integrations.django.project  # noqa: F401 - test modules ask for its settings as they are imported
