"""The documents' flows in the documents' own languages: both SDKs, and curl."""
