"""The documented flows in their own languages: both SDKs, and curl."""
