"""Ten lines: rules, a flag, and why it is on. Needs no server: ``python examples/quickstart.py``."""

from flagstaff import Client, Context

benelux = {"attribute": "country", "op": "in", "value": ["NL", "BE", "LU"]}
rules = {"version": 1, "flags": {"new-checkout": {"rules": [{"when": benelux, "rollout": 40}]}}}

client = Client.from_document(rules)
user = Context("user-42", country="NL")

if client.enabled("new-checkout", user):
    print(client.explain("new-checkout", user))
