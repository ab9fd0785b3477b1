"""Blinker signals, sent after the write they tell of. The sender is the Flask app.

``template_created``, ``template_updated`` and ``template_deleted`` carry ``template`` (a `Template`, for a deletion
the one that was deleted), ``action`` (the action of the audit event) and ``actor``. ``template_claimed`` (of
new claims, not of renewals) and ``template_released`` carry ``template``, ``claim`` (a `Claim`) and ``actor``.
``templates_seeded`` carries ``result`` (a `SeedResult`).
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace
from flask import Flask

log = logging.getLogger("flask_worker_templates")

_signals = Namespace()

template_created = _signals.signal("worker-template-created")
template_updated = _signals.signal("worker-template-updated")
template_claimed = _signals.signal("worker-template-claimed")
template_released = _signals.signal("worker-template-released")
template_deleted = _signals.signal("worker-template-deleted")
templates_seeded = _signals.signal("worker-templates-seeded")


def send(signal: NamedSignal, app: Flask, **data: Any) -> None:
    """Send a signal; a receiver that fails is logged and keeps nothing from the others: the change has happened."""
    for receiver in () if signal.is_muted else signal.receivers_for(app):
        try:
            app.ensure_sync(receiver)(app, **data)
        except Exception:
            log.exception("A receiver of the signal %s failed.", signal.name)
