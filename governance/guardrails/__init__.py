"""What a document holds that calls for care: personal data, leaked keys, markings. Pure; only kinds, counts and places
leave these modules, never the text."""
