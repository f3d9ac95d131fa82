//! First contact: settings of an init server, on a disk that loses power and by the real agent.

mod commands;
mod contact;
mod desk;
mod faults;
mod guide;
mod power;
mod world;
