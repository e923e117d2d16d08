//! Texts of services, as far as others see them.

/// Cuts a text to `most` bytes, at a character's border.
pub(crate) fn shortened(mut text: String, most: usize) -> String {
    text.truncate(within(&text, most).len());
    text
}

/// The first `most` bytes of a text, to a character's border.
pub(crate) fn within(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
