//! Tables and arrays: values that hold others.

use serde::ser::{self, Serialize};

use super::super::blob::{Open, Writer};
use super::super::key::Key;
use super::{failure, Failure, Name, Slot};

/// A table or an array being written.
pub(super) struct Nested<'w> {
    pub(super) writer: &'w mut Writer,
    pub(super) open: Option<Open>,
    pub(super) key: Option<String>,
    pub(super) depth: usize,
}

impl Nested<'_> {
    fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Failure> {
        value.serialize(Slot {
            writer: self.writer,
            name: Name::Member(name),
            depth: self.depth,
        })
    }

    fn finish(self) -> Result<(), Failure> {
        if let Some(open) = self.open {
            self.writer.close(open);
        }
        Ok(())
    }
}

/// Elements without names: sequences, tuples and their kin differ in name only.
macro_rules! elements {
    ($($kind:ident: $method:ident),*) => {
        $(impl ser::$kind for Nested<'_> {
            type Ok = ();
            type Error = Failure;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
                self.put("", value)
            }
            fn end(self) -> Result<(), Failure> {
                self.finish()
            }
        })*
    };
}

elements! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field
}

impl ser::SerializeStruct for Nested<'_> {
    type Ok = ();
    type Error = Failure;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        self.put(key, value)
    }
    fn end(self) -> Result<(), Failure> {
        self.finish()
    }
}

impl ser::SerializeMap for Nested<'_> {
    type Ok = ();
    type Error = Failure;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.key = Some(key.serialize(Key)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        let key = self
            .key
            .take()
            .ok_or_else(|| failure(&"a map value without its key"))?;
        self.put(&key, value)
    }
    fn end(self) -> Result<(), Failure> {
        self.finish()
    }
}
