//! Blobs, streamed and checked against their digest as they come.

use std::io::{self, Write as _};

use cofferdam_ids::{ByteCount, HashingWriter, Sha256Digest};
use http_body_util::BodyExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{BLOB_TIMEOUT, Client, ClientError, wire::Ask};

impl Client {
    /// `GET /v1/blobs/{sha256}`: a blob of at most `limit`, in memory, its digest checked.
    pub async fn blob(&self, sha256: &Sha256Digest, limit: ByteCount) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        self.blob_into(sha256, limit, &mut bytes).await?;
        Ok(bytes)
    }

    /// `GET /v1/blobs/{sha256}`: a blob of at most `limit`, into a writer, and its length. What the
    /// writer got is the blob only when this returns a length.
    pub async fn blob_into(
        &self,
        sha256: &Sha256Digest,
        limit: ByteCount,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, ClientError> {
        self.inner.within(BLOB_TIMEOUT, self.stream(sha256, limit, writer)).await
    }

    async fn stream(
        &self,
        sha256: &Sha256Digest,
        limit: ByteCount,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, ClientError> {
        let failed = |source| ClientError::Write { blob: *sha256, source };
        let answer = self.inner.authorised(Ask::get(format!("/v1/blobs/{sha256}"))).await?;
        let mut body = answer.into_body();
        let mut hasher = HashingWriter::new(io::sink());
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| self.inner.unreachable(e.into()))?;
            let Ok(data) = frame.into_data() else { continue };
            length += data.len() as u64;
            if length > limit.0 {
                return Err(ClientError::TooLarge { what: format!("blob {}", sha256.short()), limit });
            }
            hasher.write_all(&data).map_err(failed)?;
            writer.write_all(&data).await.map_err(failed)?;
        }
        writer.flush().await.map_err(failed)?;
        let (_, found, _) = hasher.finish();
        if found == *sha256 { Ok(length) } else { Err(ClientError::WrongBlob { wanted: *sha256 }) }
    }
}
