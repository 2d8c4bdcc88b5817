"""The server's pages in Debian's Chromium, driven by Playwright; see docs/contributing.md."""
