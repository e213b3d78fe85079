//! Sockets, runtimes and the clock around the engine.
