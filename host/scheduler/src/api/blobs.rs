//! Blobs by digest.

use std::io::Read as _;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use cofferdam_ids::{ByteCount, Sha256Digest};
use cofferdam_protocol::api::{BLOB_BYTES_MAX, Digests};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::{
    App, body_json,
    caller::{APerson, Anyone},
    compute,
};
use crate::{Problem, limits::DIGESTS_MAX};

/// Bytes read or written at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that wait between disk and network.
const CHUNKS_WAITING_MAX: usize = 4;

/// `PUT /v1/blobs/{sha256}`.
pub(super) async fn put(
    State(app): State<App>,
    APerson(_): APerson,
    Path(sha256): Path<String>,
    mut body: Body,
) -> Result<StatusCode, Problem> {
    let wanted: Sha256Digest = sha256.parse().map_err(Problem::bad_request)?;
    let unique = uuid::Uuid::now_v7().to_string();
    let blobs = app.store.blobs.clone();
    let (sender, mut chunks) = mpsc::channel::<Option<Bytes>>(CHUNKS_WAITING_MAX);
    // Disk work keeps off the threads that serve the network.
    let writing = tokio::task::spawn_blocking(move || {
        let mut writer = blobs.begin(&wanted, &unique)?;
        loop {
            match chunks.blocking_recv() {
                Some(Some(chunk)) => writer.write(&chunk)?,
                // The body came to its end.
                Some(None) => return writer.finish(&wanted).map(Some),
                // It did not: the part is dropped.
                None => return Ok::<_, std::io::Error>(None),
            }
        }
    });
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Problem::bad_request)?.into_data() else { continue };
        length += data.len();
        if length > BLOB_BYTES_MAX {
            return Err(Problem::too_large("the blob", ByteCount(BLOB_BYTES_MAX as u64)));
        }
        if sender.send(Some(data)).await.is_err() {
            break;
        }
    }
    let _ = sender.send(None).await;
    drop(sender);
    match writing.await.map_err(Problem::internal)?.map_err(Problem::internal)? {
        Some(found) if found == wanted => Ok(StatusCode::NO_CONTENT),
        Some(found) => Err(Problem::wrong_blob(wanted, found)),
        None => Err(Problem::internal("a blob was not written to its end")),
    }
}

/// `GET /v1/blobs/{sha256}`.
pub(super) async fn get(
    State(app): State<App>,
    _: Anyone,
    Path(sha256): Path<String>,
) -> Result<Response, Problem> {
    let wanted: Sha256Digest = sha256.parse().map_err(Problem::bad_request)?;
    let blobs = app.store.blobs.clone();
    let (mut file, length) = match compute(move || blobs.open_blob(&wanted)).await? {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Problem::not_found(format_args!("blob {}", wanted.short())));
        }
        Err(error) => return Err(Problem::internal(error)),
    };
    let (sender, chunks) = mpsc::channel::<Result<Bytes, std::io::Error>>(CHUNKS_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = file.read(&mut chunk).map(|n| {
                chunk.truncate(n);
                Bytes::from(chunk)
            });
            let last = read.as_ref().map_or(true, Bytes::is_empty);
            if !matches!(&read, Ok(bytes) if bytes.is_empty()) && sender.blocking_send(read).is_err() {
                return;
            }
            if last {
                return;
            }
        }
    });
    let stream = futures_util::stream::unfold(chunks, |mut chunks| async {
        let next = chunks.recv().await?;
        Some((next, chunks))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// `POST /v1/blobs/missing`.
pub(super) async fn missing(
    State(app): State<App>,
    APerson(_): APerson,
    body: Body,
) -> Result<Json<Digests>, Problem> {
    let asked: Digests = body_json(body).await?;
    if asked.digests.len() > DIGESTS_MAX {
        return Err(Problem::too_large("the list of digests", DIGESTS_MAX));
    }
    let blobs = app.store.blobs.clone();
    let digests = compute(move || asked.digests.into_iter().filter(|d| !blobs.has(d)).collect()).await?;
    Ok(Json(Digests { digests }))
}
