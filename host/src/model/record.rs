//! Recording of answers, for a replay without the model.

use super::{
    CassetteError, ChatModel, ChatRequest, ChatResponse, ModelError, Purpose, RequestDigest,
    cassette::Cassette,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// A model that asks another one and keeps each answer in a folder, one file a request.
///
/// A request whose answer is in the folder already is answered from there, whatever times its tools
/// printed. So a run that asks the same twice gets, when recorded, what it gets when replayed; and a
/// recording that was interrupted goes on without paying again. Someone who wants a second opinion of the model changes the request, for
/// example its seed.
#[derive(Debug)]
pub struct Recorder<M> {
    inner: M,
    cassette: Cassette,
    /// Requests under way, so that two equal ones are asked once.
    in_flight: Mutex<BTreeMap<RequestDigest, Arc<tokio::sync::Mutex<()>>>>,
}

impl<M: ChatModel> Recorder<M> {
    /// Creates a recorder of `inner` that writes to `folder`, which it makes if need be.
    ///
    /// # Errors
    ///
    /// Returns a [`CassetteError`] if the folder cannot be made.
    pub fn new(inner: M, folder: impl Into<PathBuf>) -> Result<Self, CassetteError> {
        let cassette = Cassette::create(folder.into())?;
        Ok(Self { inner, cassette, in_flight: Mutex::default() })
    }

    async fn answer(
        &self,
        purpose: &Purpose,
        request: &ChatRequest,
    ) -> Result<ChatResponse, ModelError> {
        let digest = request.digest();
        let turn = self.turn_of(digest);
        let guard = turn.lock().await;
        let answer = self.answer_alone(purpose, request).await;
        drop(guard);
        self.forget(digest, &turn);
        answer
    }

    /// Answers while no equal request is under way.
    async fn answer_alone(
        &self,
        purpose: &Purpose,
        request: &ChatRequest,
    ) -> Result<ChatResponse, ModelError> {
        if let Some(record) = self.cassette.find(request)? {
            return Ok(record.response);
        }
        let response = self.inner.chat(purpose, request).await?;
        self.cassette.save(request, &response)?;
        Ok(response)
    }

    fn turn_of(&self, digest: RequestDigest) -> Arc<tokio::sync::Mutex<()>> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(in_flight.entry(digest).or_default())
    }

    /// Drops the entry of a request that nobody else waits for.
    fn forget(&self, digest: RequestDigest, turn: &Arc<tokio::sync::Mutex<()>>) {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        // One count is the map's, one is the caller's.
        if Arc::strong_count(turn) <= 2 {
            in_flight.remove(&digest);
        }
    }
}

impl<M: ChatModel> ChatModel for Recorder<M> {
    fn chat<'a>(
        &'a self,
        purpose: &'a Purpose,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        self.answer(purpose, request).boxed()
    }
}
