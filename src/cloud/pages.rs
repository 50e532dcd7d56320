//! Lists that arrive a page at a time.

use std::{
    fmt,
    future::{Future, IntoFuture},
};

use futures::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};

use super::error::{Error, Result};

/// A list that arrives a page at a time. Awaited, it is the whole list; [`Pages::next`] gives page after page.
#[must_use = "nothing is asked for until it is awaited"]
pub struct Pages<'a, T>(BoxStream<'a, Result<Vec<T>>>);

impl<'a, T: Send + 'a> Pages<'a, T> {
    /// A list that comes whole.
    pub fn once(list: impl Future<Output = Result<Vec<T>>> + Send + 'a) -> Self {
        Self(stream::once(list).boxed())
    }

    /// Page after page: `page` is given what the page before it returned, at first `None`, and the list ends with the page
    /// that returns none, or that fails. A token without a character is none: it would begin anew.
    pub fn follow<F, W>(page: W) -> Self
    where
        W: Fn(Option<String>) -> F + Send + 'a,
        F: Future<Output = Result<(Vec<T>, Option<String>)>> + Send + 'a,
    {
        let pages = stream::unfold(Some(None), move |state| {
            let asked = state.map(&page);
            async move {
                match asked?.await {
                    Ok((items, next)) => Some((Ok(items), next.filter(|token| !token.is_empty()).map(Some))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Self(pages.boxed())
    }

    /// This list, then another, also where this one fails.
    pub fn chain(self, other: Self) -> Self {
        Self(self.0.chain(other.0).boxed())
    }

    /// The whole list as far as it comes, and why the rest did not: for lists of several parts, of which one may be denied.
    pub async fn gather(mut self) -> (Vec<T>, Vec<Error>) {
        let (mut items, mut errors) = (Vec::new(), Vec::new());
        while let Some(page) = self.next().await {
            match page {
                Ok(page) => items.extend(page),
                Err(error) => errors.push(error),
            }
        }
        (items, errors)
    }

    /// The next page; none at the end.
    pub async fn next(&mut self) -> Option<Result<Vec<T>>> {
        self.0.next().await
    }
}

impl<'a, T: Send + 'a> IntoFuture for Pages<'a, T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'a, Result<Vec<T>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.try_concat())
    }
}

impl<T> fmt::Debug for Pages<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Error;

    fn numbers(fail_at: u32) -> Pages<'static, u32> {
        Pages::follow(move |token: Option<String>| async move {
            let at: u32 = token.map_or(0, |t| t.parse().unwrap());
            if at == fail_at {
                return Err(Error::Throttled("slow down".into()));
            }
            Ok((vec![at, at + 1], (at < 4).then(|| (at + 2).to_string())))
        })
    }

    #[tokio::test]
    async fn awaited_it_is_the_whole_list() {
        assert_eq!(numbers(9).await, Ok(vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(numbers(2).await, Err(Error::Throttled("slow down".into())));
        assert_eq!(Pages::once(async { Ok(vec![7]) }).await, Ok(vec![7]));
    }

    #[tokio::test]
    async fn what_one_part_lacks_the_others_have() {
        let slow = Error::Throttled("slow down".into());
        assert_eq!(numbers(2).chain(numbers(9)).gather().await, (vec![0, 1, 0, 1, 2, 3, 4, 5], vec![slow.clone()]));
        assert_eq!(numbers(2).chain(numbers(9)).await, Err(slow));
    }

    #[tokio::test]
    async fn an_empty_token_is_the_end() {
        let pages = Pages::follow(|_| async { Ok((vec![1], Some(String::new()))) });
        assert_eq!(pages.await, Ok(vec![1]));
    }

    #[tokio::test]
    async fn pages_come_one_by_one_until_one_fails() {
        let mut pages = numbers(2);
        assert_eq!(pages.next().await, Some(Ok(vec![0, 1])));
        assert!(matches!(pages.next().await, Some(Err(_))));
        assert_eq!(pages.next().await, None);
    }
}
