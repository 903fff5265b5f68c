//! Record batches to frames.

use arrow_array::RecordBatch;
use arrow_ipc::writer::{
    DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use arrow_schema::{ArrowError, SchemaRef};

use super::FRAME_BYTES_MAX;
use crate::{Failure, codes};

/// Makes frames of batches: one message each, at most 1 MiB, the schema first.
pub struct FrameWriter {
    schema: SchemaRef,
    schema_written: bool,
    options: IpcWriteOptions,
    tracker: DictionaryTracker,
    context: IpcWriteContext,
}

impl FrameWriter {
    /// A writer of one stream.
    pub fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            schema_written: false,
            options: IpcWriteOptions::default(),
            tracker: DictionaryTracker::new(false),
            context: IpcWriteContext::default(),
        }
    }

    /// The frames of a batch; before the first one the frame of the schema. A batch above 1 MiB
    /// is cut into several frames. `Limit` where a single row is above it.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<Vec<u8>>, Failure> {
        if batch.schema_ref().fields() != self.schema.fields() {
            return Err(Failure::invalid(codes::FRAME, "the batch has other columns than the stream"));
        }
        let mut frames = self.finish()?;
        self.push(batch, &mut frames)?;
        Ok(frames)
    }

    /// What is still to be sent when no more batches come: the schema, where there was no batch.
    pub fn finish(&mut self) -> Result<Vec<Vec<u8>>, Failure> {
        if self.schema_written {
            return Ok(Vec::new());
        }
        self.schema_written = true;
        let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &self.schema,
            &mut self.tracker,
            &self.options,
        );
        let mut frame = Vec::new();
        write_message(&mut frame, encoded, &self.options).map_err(|error| broken(&error))?;
        if frame.len() > FRAME_BYTES_MAX {
            return Err(Failure::limit(
                codes::TOO_LARGE,
                "the names of the columns do not fit into a frame of 1 MiB",
            ));
        }
        Ok(vec![frame])
    }

    fn push(&mut self, batch: &RecordBatch, frames: &mut Vec<Vec<u8>>) -> Result<(), Failure> {
        // The bytes in memory are a hint that saves encoding a large batch only to cut it up.
        if batch.num_rows() > 1 && sliced_bytes(batch) > FRAME_BYTES_MAX {
            return self.halves(batch, frames);
        }
        let (_, encoded) = IpcDataGenerator::default()
            .encode(batch, &mut self.tracker, &self.options, &mut self.context)
            .map_err(|error| broken(&error))?;
        let mut frame = Vec::with_capacity(encoded.ipc_message.len() + encoded.arrow_data.len() + 16);
        write_message(&mut frame, encoded, &self.options).map_err(|error| broken(&error))?;
        if frame.len() <= FRAME_BYTES_MAX {
            frames.push(frame);
            return Ok(());
        }
        if batch.num_rows() <= 1 {
            return Err(Failure::limit(codes::TOO_LARGE, "a single row does not fit into a frame of 1 MiB"));
        }
        self.halves(batch, frames)
    }

    fn halves(&mut self, batch: &RecordBatch, frames: &mut Vec<Vec<u8>>) -> Result<(), Failure> {
        let half = batch.num_rows() / 2;
        self.push(&batch.slice(0, half), frames)?;
        self.push(&batch.slice(half, batch.num_rows() - half), frames)
    }
}

/// The frames of one batch and its schema: a whole stream.
pub fn frames(batch: &RecordBatch) -> Result<Vec<Vec<u8>>, Failure> {
    FrameWriter::new(batch.schema()).write(batch)
}

fn sliced_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

fn broken(error: &ArrowError) -> Failure {
    Failure::invalid(codes::FRAME, format!("the batch cannot be written as a frame: {error}"))
}
