"""flask-smorest and MongoEngine, as their documentation shows.

From flask-smorest: `MethodView`, `arguments`, `response`, `paginate` with a `Page` that counts the query set, and
`etag` with `check_etag`. From MongoEngine: documents, `save`, and `save_condition` for the version check.
"""

from __future__ import annotations

from typing import Any

import marshmallow as ma
import mongoengine as me
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint, Page, abort
from marshmallow import validate
from mongoengine.errors import DoesNotExist, NotUniqueError, SaveConditionError, ValidationError
from werkzeug.exceptions import NotFound

from tests.benchmarks.peers.common import LICENSE_TYPES, PAGE_SIZE, PATH, mongodb_uri, now


class Capacity(me.EmbeddedDocument):
    cpu_cores = me.IntField(required=True, min_value=1, max_value=10_000)
    memory_gb = me.IntField(required=True, min_value=1, max_value=1_000_000)
    storage_gb = me.IntField(required=True, min_value=1, max_value=100_000_000)


class PortRange(me.EmbeddedDocument):
    start = me.IntField(default=2000, min_value=1, max_value=65_535)
    end = me.IntField(default=9999, min_value=1, max_value=65_535)


class Template(me.Document):
    meta = {"collection": "templates"}  # noqa: RUF012  # as MongoEngine wants it

    name = me.StringField(required=True, unique=True, max_length=100)
    description = me.StringField(default="", max_length=1000)
    instance_type = me.StringField(required=True, max_length=64)
    capacity = me.EmbeddedDocumentField(Capacity, required=True)
    license_type = me.StringField(required=True, choices=LICENSE_TYPES)
    max_nodes = me.IntField(default=20, min_value=1, max_value=100_000)
    ami_pattern = me.StringField(default="*", max_length=256)
    startup_time_minutes = me.IntField(default=20, min_value=0, max_value=10_080)
    port_range = me.EmbeddedDocumentField(PortRange, default=PortRange)
    enabled = me.BooleanField(default=True)
    cost_per_hour_usd = me.FloatField(min_value=0)
    labels = me.MapField(me.StringField(max_length=256))
    revision = me.IntField(default=1)
    is_seeded = me.BooleanField(default=False)
    created_at = me.DateTimeField(default=now)
    updated_at = me.DateTimeField(default=now)


class AuditEvent(me.Document):
    meta = {"collection": "audit_events", "indexes": [("template_id", "-revision")]}  # noqa: RUF012

    template_id = me.ObjectIdField(required=True)
    revision = me.IntField(required=True)
    action = me.StringField(required=True)
    actor = me.StringField(required=True)
    at = me.DateTimeField(required=True)
    spec = me.DictField()


class CapacitySchema(ma.Schema):
    cpu_cores = ma.fields.Integer(required=True, strict=True, validate=validate.Range(1, 10_000))
    memory_gb = ma.fields.Integer(required=True, strict=True, validate=validate.Range(1, 1_000_000))
    storage_gb = ma.fields.Integer(required=True, strict=True, validate=validate.Range(1, 100_000_000))

    @ma.post_load
    def embedded(self, data: dict[str, Any], **_: Any) -> Capacity:
        return Capacity(**data)


class PortRangeSchema(ma.Schema):
    start = ma.fields.Integer(load_default=2000, strict=True, validate=validate.Range(1, 65_535))
    end = ma.fields.Integer(load_default=9999, strict=True, validate=validate.Range(1, 65_535))

    @ma.post_load
    def embedded(self, data: dict[str, Any], **_: Any) -> PortRange:
        return PortRange(**data)


class TemplateSchema(ma.Schema):
    id = ma.fields.String(dump_only=True)
    name = ma.fields.String(required=True, validate=validate.Length(1, 100))
    description = ma.fields.String(validate=validate.Length(max=1000))
    instance_type = ma.fields.String(required=True, validate=validate.Length(1, 64))
    capacity = ma.fields.Nested(CapacitySchema(), required=True)
    license_type = ma.fields.String(required=True, validate=validate.OneOf(LICENSE_TYPES))
    max_nodes = ma.fields.Integer(strict=True, validate=validate.Range(1, 100_000))
    ami_pattern = ma.fields.String(validate=validate.Length(1, 256))
    startup_time_minutes = ma.fields.Integer(strict=True, validate=validate.Range(0, 10_080))
    port_range = ma.fields.Nested(PortRangeSchema())
    enabled = ma.fields.Boolean()
    cost_per_hour_usd = ma.fields.Float(allow_none=True, validate=validate.Range(min=0))
    labels = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(validate=validate.Length(max=256)))
    revision = ma.fields.Integer(dump_only=True)
    is_seeded = ma.fields.Boolean(dump_only=True)
    created_at = ma.fields.DateTime(dump_only=True)
    updated_at = ma.fields.DateTime(dump_only=True)


# Instances, made once: flask-smorest would make a new one of a class with each request that checks an ETag.
SCHEMA = TemplateSchema()
CHANGES = TemplateSchema(partial=True)


class QuerySetPage(Page):
    @property
    def item_count(self) -> int:
        return int(self.collection.count())


blp = Blueprint("templates", "templates", url_prefix=PATH)


def record(template: Template, action: str) -> None:
    spec = template.to_mongo().to_dict()
    spec.pop("_id")
    AuditEvent(
        template_id=template.id,
        revision=template.revision,
        action=action,
        actor="anonymous",
        at=template.updated_at,
        spec=spec,
    ).save()


@blp.route("")
class Templates(MethodView):
    @blp.etag
    @blp.response(200, TemplateSchema(many=True))
    @blp.paginate(QuerySetPage, page_size=PAGE_SIZE, max_page_size=200)
    def get(self) -> Any:
        """List the templates."""
        return Template.objects.order_by("name")

    @blp.etag
    @blp.arguments(SCHEMA)
    @blp.response(201, SCHEMA)
    def post(self, new_data: dict[str, Any]) -> Template:
        """Create a template."""
        template = Template(**new_data)
        try:
            template.save(force_insert=True)
        except NotUniqueError:
            abort(409, message="The name is taken.")
        record(template, "created")
        return template


@blp.route("/<template_id>")
class TemplateById(MethodView):
    @blp.etag
    @blp.response(200, SCHEMA)
    def get(self, template_id: str) -> Template:
        """Get a template."""
        return found(template_id)

    @blp.etag
    @blp.arguments(CHANGES)
    @blp.response(200, SCHEMA)
    def patch(self, update_data: dict[str, Any], template_id: str) -> Template:
        """Change some fields of a template."""
        template = found(template_id)
        blp.check_etag(template, SCHEMA)
        for field, value in update_data.items():
            setattr(template, field, value)
        revision = template.revision
        template.revision = revision + 1
        template.updated_at = now()
        try:
            template.save(save_condition={"revision": revision})
        except SaveConditionError:
            abort(412, message="The template has changed.")
        record(template, "updated")
        return template


def found(template_id: str) -> Template:
    try:
        return Template.objects.get(id=template_id)
    except (DoesNotExist, ValidationError):
        raise NotFound("There is no such template.") from None


def create_app() -> Flask:
    """The app, connected as MongoEngine's documentation shows."""
    app = Flask(__name__)
    app.config.update(API_TITLE="Templates", API_VERSION="v1", OPENAPI_VERSION="3.0.3")
    me.connect(host=mongodb_uri(), uuidRepresentation="standard")
    Api(app).register_blueprint(blp)
    return app
