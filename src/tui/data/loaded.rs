//! Something that is read, and how its last attempt went.

use crate::text::count;

/// Something that is read: the newest that came, and how the last attempt went.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The newest that came.
    pub value: Option<T>,
    /// Why the last attempt failed; the value is then old.
    pub error: Option<String>,
    /// Whether an answer is awaited.
    pub loading: bool,
    /// How much of a list has come so far, by the last attempt.
    pub arrived: u64,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self { value: None, error: None, loading: false, arrived: 0 }
    }
}

impl<T> Loaded<T> {
    /// Notes that it has been asked for.
    pub fn ask(&mut self) {
        self.loading = true;
        self.arrived = 0;
    }

    /// Notes that `n` more of a list came. Whether they are to be shown at once: where a whole list is there already, it
    /// stays until the next is whole.
    pub fn arrive(&mut self, n: usize) -> bool {
        self.arrived += n as u64;
        self.value.is_none()
    }

    /// A title, with how far a list has come that is still arriving.
    pub fn title(&self, title: &str) -> String {
        if self.loading && self.arrived > 0 {
            return format!("{title} · loading … {}", count(self.arrived));
        }
        title.to_owned()
    }

    /// Notes the answer. What was there before stays where it failed.
    pub fn answer(&mut self, result: Result<T, String>) {
        self.loading = false;
        match result {
            Ok(value) => {
                self.value = Some(value);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
