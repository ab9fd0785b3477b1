"""FastAPI and Beanie, written by someone who knows them.

From FastAPI: pydantic models as body, partial updates with `exclude_unset`. From Beanie: documents, `use_revision` for
the version check, `set`. For speed, reads are projected on a plain model, which costs less than a document; answers
are written by pydantic's core and returned as they are, so that FastAPI does not validate them again; the total of a
list is MongoDB's own count of the collection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from beanie import Document, Indexed, PydanticObjectId, init_beanie
from beanie.exceptions import RevisionIdWasChanged
from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel
from pymongo.errors import DuplicateKeyError

from tests.benchmarks.peers.common import PAGE_SIZE, PATH, mongodb_uri, now

LicenseType = Literal["PERSONAL", "ENTERPRISE", "EVALUATION"]


class Capacity(BaseModel):
    cpu_cores: int = Field(ge=1, le=10_000)
    memory_gb: int = Field(ge=1, le=1_000_000)
    storage_gb: int = Field(ge=1, le=100_000_000)


class PortRange(BaseModel):
    start: int = Field(default=2000, ge=1, le=65_535)
    end: int = Field(default=9999, ge=1, le=65_535)


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    description: str = Field(default="", max_length=1000)
    instance_type: str = Field(min_length=1, max_length=64)
    capacity: Capacity
    license_type: LicenseType
    max_nodes: int = Field(default=20, ge=1, le=100_000)
    ami_pattern: str = Field(default="*", min_length=1, max_length=256)
    startup_time_minutes: int = Field(default=20, ge=0, le=10_080)
    port_range: PortRange = PortRange()
    enabled: bool = True
    cost_per_hour_usd: float | None = Field(default=None, ge=0)
    labels: dict[str, Annotated[str, Field(max_length=256)]] = {}


class Changes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=100)
    description: str | None = Field(default=None, max_length=1000)
    instance_type: str | None = Field(default=None, min_length=1, max_length=64)
    capacity: Capacity | None = None
    license_type: LicenseType | None = None
    max_nodes: int | None = Field(default=None, ge=1, le=100_000)
    ami_pattern: str | None = Field(default=None, min_length=1, max_length=256)
    startup_time_minutes: int | None = Field(default=None, ge=0, le=10_080)
    port_range: PortRange | None = None
    enabled: bool | None = None
    cost_per_hour_usd: float | None = Field(default=None, ge=0)
    labels: dict[str, Annotated[str, Field(max_length=256)]] | None = None


class Template(Document):
    name: Annotated[str, Indexed(unique=True)]
    description: str
    instance_type: str
    capacity: Capacity
    license_type: LicenseType
    max_nodes: int
    ami_pattern: str
    startup_time_minutes: int
    port_range: PortRange
    enabled: bool
    cost_per_hour_usd: float | None
    labels: dict[str, str]
    revision: int = 1
    is_seeded: bool = False
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)

    class Settings:
        name = "templates"
        use_revision = True


class TemplateView(BaseModel):
    id: PydanticObjectId = Field(alias="_id")
    name: str
    description: str
    instance_type: str
    capacity: Capacity
    license_type: LicenseType
    max_nodes: int
    ami_pattern: str
    startup_time_minutes: int
    port_range: PortRange
    enabled: bool
    cost_per_hour_usd: float | None
    labels: dict[str, str]
    revision: int
    is_seeded: bool
    created_at: datetime
    updated_at: datetime


class AuditEvent(Document):
    template_id: PydanticObjectId
    revision: int
    action: str
    actor: str
    at: datetime
    spec: dict[str, Any]

    class Settings:
        name = "audit_events"
        indexes = [IndexModel([("template_id", ASCENDING), ("revision", DESCENDING)])]  # noqa: RUF012


async def record(template: Template, action: str) -> None:
    await AuditEvent(
        template_id=template.id,
        revision=template.revision,
        action=action,
        actor="anonymous",
        at=template.updated_at,
        spec=template.model_dump(exclude={"id", "revision_id"}),
    ).insert()


def etag(template: Template | TemplateView) -> str:
    return f'"{template.revision}"'


PAGE = TypeAdapter(list[TemplateView])
JSON = "application/json"


def answer(template: Template | TemplateView, status: int = 200) -> Response:
    body = template.model_dump_json(by_alias=True)
    return Response(body, status, headers={"ETag": etag(template)}, media_type=JSON)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb_uri(), uuidRepresentation="standard")
    await init_beanie(database=client.get_default_database(), document_models=[Template, AuditEvent])
    yield
    await client.close()


app = FastAPI(lifespan=lifespan)


@app.get(PATH, response_model=list[TemplateView])
async def list_templates(
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=200)] = PAGE_SIZE,
) -> Any:
    """List the templates."""
    total = await Template.get_pymongo_collection().estimated_document_count()
    listed = Template.find_all(projection_model=TemplateView).sort("+name")
    found = await listed.skip((page - 1) * page_size).limit(page_size).to_list()
    return Response(PAGE.dump_json(found, by_alias=True), headers={"X-Total-Count": str(total)}, media_type=JSON)


@app.post(PATH, status_code=201, response_model=TemplateView)
async def create_template(spec: Spec) -> Any:
    """Create a template."""
    template = Template(**spec.model_dump())
    try:
        await template.insert()
    except DuplicateKeyError:
        raise HTTPException(409, "The name is taken.") from None
    await record(template, "created")
    return answer(template, 201)


@app.get(PATH + "/{template_id}", response_model=TemplateView)
async def get_template(template_id: PydanticObjectId, request: Request) -> Any:
    """Get a template."""
    template = await Template.find_one({"_id": template_id}, projection_model=TemplateView)
    if template is None:
        raise HTTPException(404, "There is no such template.")
    tag = etag(template)
    if request.headers.get("If-None-Match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return answer(template)


@app.patch(PATH + "/{template_id}", response_model=TemplateView)
async def update_template(
    template_id: PydanticObjectId,
    changes: Changes,
    if_match: Annotated[str | None, Header()] = None,
) -> Any:
    """Change some fields of a template."""
    template = await found(template_id)
    if if_match is not None and if_match != etag(template):
        raise HTTPException(412, "The template has changed.")
    fields = changes.model_dump(exclude_unset=True)
    try:
        await template.set({**fields, "revision": template.revision + 1, "updated_at": now()})
    except RevisionIdWasChanged:
        raise HTTPException(412, "The template has changed.") from None
    await record(template, "updated")
    return answer(template)


async def found(template_id: PydanticObjectId) -> Template:
    template: Template | None = await Template.get(template_id)
    if template is None:
        raise HTTPException(404, "There is no such template.")
    return template
