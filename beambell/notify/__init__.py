"""Notices for people, sent once, through the channels that ``notifications`` of ``params.yaml`` names."""

from beambell.notify.notice import Notice
from beambell.notify.notifier import Told, tell, told_before, unfinished

__all__ = ["Notice", "Told", "tell", "told_before", "unfinished"]
