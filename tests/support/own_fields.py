"""Schemas of a host's own fields, as the tests declare them."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate


class GpuSchema(ma.Schema):
    """A graphics card."""

    model = fields.String(required=True, metadata={"description": "Which card."})
    count = fields.Integer(strict=True, load_default=1, validate=validate.Range(1, 16))


class GpuFields(ma.Schema):
    """The fields of a farm of graphics cards."""

    gpu_count = fields.Integer(
        strict=True, load_default=0, validate=validate.Range(0, 16), metadata={"description": "Cards."}
    )
    zone = fields.String(validate=validate.OneOf(["eu-1", "us-1"]), metadata={"example": "eu-1"})
    spot = fields.Boolean(truthy={True}, falsy={False})
    ratio = fields.Float(allow_none=True)
    gpu = fields.Nested(GpuSchema)
    subnets = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))
    user_data = fields.String()
