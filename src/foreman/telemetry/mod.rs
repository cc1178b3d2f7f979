//! Traces of jobs for a collector of OpenTelemetry: one trace per job, with spans for its runs, stages and calls of
//! agents.
//!
//! Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Spans are sent once, at the end of a run and of the job, as JSON
//! over HTTP by `curl`, which nobody waits for: a collector that is slow or gone changes nothing.

mod export;
mod trace;

pub use trace::{JobSpan, StageEnd, Tracer, job_over, parent_of_job};
