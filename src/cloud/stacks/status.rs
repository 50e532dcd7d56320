//! The words for what state a stack is in.

use serde::{Deserialize, Serialize};

macro_rules! statuses {
    ($($(#[$meta:meta])* $name:ident = $word:literal,)*) => {
        /// A stack's status: CloudFormation's words, of which the embedded cloud uses some. A word that is not known yet is
        /// kept as it is.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum StackStatus {
            $($(#[$meta])* $name,)*
            /// A word that was not known when this was written.
            Other(String),
        }

        impl StackStatus {
            /// CloudFormation's word for it.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for StackStatus {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$name,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

statuses! {
    /// Being made.
    CreateInProgress = "CREATE_IN_PROGRESS",
    /// Made.
    CreateComplete = "CREATE_COMPLETE",
    /// The making failed. On the embedded cloud what was made is still there, and the next deploy carries on.
    CreateFailed = "CREATE_FAILED",
    /// The making failed, and what was made is being removed.
    RollbackInProgress = "ROLLBACK_IN_PROGRESS",
    /// The making failed, and what was made is removed: such a stack can only be deleted.
    RollbackComplete = "ROLLBACK_COMPLETE",
    /// The making failed, and so did the removal of what was made.
    RollbackFailed = "ROLLBACK_FAILED",
    /// Being changed.
    UpdateInProgress = "UPDATE_IN_PROGRESS",
    /// Changed; what was replaced is being removed.
    UpdateCleanup = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    /// Changed.
    UpdateComplete = "UPDATE_COMPLETE",
    /// The change failed half-way. On the embedded cloud the next deploy carries on.
    UpdateFailed = "UPDATE_FAILED",
    /// The change failed, and is being taken back.
    UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS",
    /// The change was taken back; what it had made is being removed.
    UpdateRollbackCleanup = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    /// The change failed, and was taken back.
    UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE",
    /// The change failed, and could not be taken back.
    UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED",
    /// Being removed.
    DeleteInProgress = "DELETE_IN_PROGRESS",
    /// The removal failed half-way; the next destroy carries on.
    DeleteFailed = "DELETE_FAILED",
    /// Removed.
    DeleteComplete = "DELETE_COMPLETE",
    /// There is a change set that would make it, and nothing else.
    ReviewInProgress = "REVIEW_IN_PROGRESS",
    /// Resources are being taken into it.
    ImportInProgress = "IMPORT_IN_PROGRESS",
    /// Resources were taken into it.
    ImportComplete = "IMPORT_COMPLETE",
    /// Resources could not be taken into it, which is being taken back.
    ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS",
    /// Resources could not be taken into it.
    ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE",
    /// Resources could not be taken into it, nor could that be taken back.
    ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED",
}

impl StackStatus {
    /// Whether an operation is under way, or was when its process died.
    pub fn in_progress(&self) -> bool {
        *self != Self::ReviewInProgress && self.word().ends_with("_IN_PROGRESS")
    }

    /// Whether the stack is whole, as its last operation wanted it.
    pub fn complete(&self) -> bool {
        matches!(self, Self::CreateComplete | Self::UpdateComplete | Self::ImportComplete)
    }

    /// Whether what is in the stack works: a change that was taken back leaves it as it was.
    pub fn usable(&self) -> bool {
        self.complete()
            || matches!(self, Self::UpdateRollbackComplete | Self::ImportRollbackComplete | Self::UpdateCleanup)
    }

    /// Whether there is nothing of use in it: a deploy has to delete it first, and makes it anew.
    pub fn must_be_made_anew(&self) -> bool {
        matches!(self, Self::RollbackComplete | Self::RollbackFailed | Self::CreateFailed)
    }
}

impl From<String> for StackStatus {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<StackStatus> for String {
    fn from(status: StackStatus) -> Self {
        status.word().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_future_is_kept() {
        for word in ["UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "TELEPORT_IN_PROGRESS"] {
            let status: StackStatus = serde_json::from_value(word.into()).unwrap();
            assert_eq!(status.word(), word);
            assert!(status.in_progress() && !status.complete());
            assert_eq!(serde_json::to_value(&status).unwrap(), word);
        }
        assert!(!StackStatus::ReviewInProgress.in_progress());
    }
}
