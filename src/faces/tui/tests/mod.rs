//! Tests of the screen: what keys do, and what is shown.

mod draw;
mod sample;
mod update;
