//! Conversations by hand: golden exchanges byte for byte, and servers that are odd or hostile.
