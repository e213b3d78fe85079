//! File → overrides → settings.
