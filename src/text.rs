//! What comes from outside is data: text is cleaned here before it can reach the screen or a file.
