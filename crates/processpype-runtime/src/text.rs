//! Texts of services, as far as others see them.

/// Cuts a text to `most` bytes, at a character's border.
pub(crate) fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
