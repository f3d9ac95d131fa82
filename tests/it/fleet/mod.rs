//! Many agents: the simulated fleet within its bounds, and fifty processes at one broker.

mod processes;
mod simulated;
