"""The daemon's HTTP side: probes, metrics, the API, and a plain page."""
