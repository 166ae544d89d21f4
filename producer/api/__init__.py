"""The yard over HTTP. The only place that knows a web framework."""
