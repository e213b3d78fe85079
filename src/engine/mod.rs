//! Sessions on one side, lanes on the other: forward, deliver, learn, expire.
