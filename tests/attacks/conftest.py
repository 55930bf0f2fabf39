"""Each attack is on a server like those of tests/web, with the same log that must stay quiet."""

from web.conftest import QuietLog, StartSite, browser, clock, quiet_log, site, start_site

__all__ = ["QuietLog", "StartSite", "browser", "clock", "quiet_log", "site", "start_site"]
