"""Table and Queue service as far as the SDKs' requests go; Azurite is the measure of both."""
