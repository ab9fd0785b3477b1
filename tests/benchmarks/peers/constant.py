"""A limit: Flask routes that return constant bytes, as long as the answers of the others; writes read their body."""

from __future__ import annotations

import json

from flask import Flask, Response, request

from tests.benchmarks import data
from tests.benchmarks.peers.common import PAGE_SIZE, PATH


def create_app() -> Flask:
    """The app."""
    app = Flask(__name__)
    page = json.dumps([data.spec(number) for number in range(PAGE_SIZE)]).encode()
    one = json.dumps(data.spec(0)).encode()

    @app.get(PATH)
    def list_templates() -> Response:
        return Response(page, mimetype="application/json")

    @app.get(PATH + "/<template_id>")
    def get_template(template_id: str) -> Response:
        return Response(one, mimetype="application/json", headers={"ETag": '"1"'})

    @app.post(PATH)
    def create_template() -> Response:
        request.get_data(cache=False)
        return Response(one, status=201, mimetype="application/json", headers={"ETag": '"1"'})

    @app.patch(PATH + "/<template_id>")
    def update_template(template_id: str) -> Response:
        request.get_data(cache=False)
        return Response(one, mimetype="application/json", headers={"ETag": '"1"'})

    return app
