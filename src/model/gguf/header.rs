//! The header of a file: metadata, and where each tensor is. All of it may be damaged or hostile.

use std::{collections::BTreeMap, ops::Range};

use super::{
    kind::{self, Kind},
    value::{Metadata, Value},
};

/// How a file begins.
pub(super) const MAGIC: &[u8; 4] = b"GGUF";

/// The key that says to which multiple of bytes tensors are aligned.
const ALIGNMENT: &str = "general.alignment";

/// The longest list: the vocabularies of real models are a hundred times shorter.
const LONGEST: usize = 1 << 24;

/// The tensor with what the frequency of each pair of a head is divided by.
pub(super) const FACTORS: &str = "rope_freqs.weight";

/// The most dimensions of a tensor.
const DIMENSIONS: usize = 4;

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) tensors: BTreeMap<String, Place>,
    /// The numbers of [`FACTORS`], if the file has them.
    pub(super) factors: Option<Vec<f32>>,
}

/// A tensor within the file.
#[derive(Debug)]
pub(super) struct Place {
    /// The outermost dimension first, as in a checkpoint of transformers; the file has it the other way.
    pub(super) shape: Vec<usize>,
    pub(super) kind: &'static Kind,
    /// Its bytes, which are within the file.
    pub(super) range: Range<usize>,
}

/// Reads the header of a file with these bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Header, String> {
    let mut cursor = Cursor {
        rest: bytes,
        length: bytes.len(),
    };
    if cursor.rest.is_empty() {
        return Err("it is empty; fetch the file again".to_owned());
    }
    if cursor.array::<4>()? != *MAGIC {
        return Err("it is no GGUF file: it does not begin with `GGUF`".to_owned());
    }
    match cursor.u32()? {
        2 | 3 => {}
        version if (1..=3).contains(&version.swap_bytes()) => {
            return Err("it is written for big-endian machines, which is not supported".to_owned());
        }
        version => {
            return Err(format!(
                "it has version `{version}` of GGUF, expected `2` or `3`; convert the model again with a \
                 current llama.cpp"
            ));
        }
    }
    let (tensors, keys) = (cursor.count()?, cursor.count()?);
    let metadata = metadata(&mut cursor, keys)?;
    let infos = infos(&mut cursor, tensors)?;
    let alignment = alignment(&metadata)?;
    let start = cursor.at().next_multiple_of(alignment);
    let mut places = BTreeMap::new();
    for (name, info) in infos {
        let place = info
            .place(start, alignment, bytes.len())
            .map_err(|problem| format!("tensor `{name}` {problem}"))?;
        if places.insert(name.clone(), place).is_some() {
            return Err(format!("tensor `{name}` is there twice"));
        }
    }
    let factors = places.get(FACTORS).map(|place| numbers(bytes, place));
    Ok(Header {
        metadata,
        factors: factors.transpose()?,
        tensors: places,
    })
}

/// The numbers of a tensor that describes the model.
fn numbers(bytes: &[u8], place: &Place) -> Result<Vec<f32>, String> {
    let &[count] = place.shape.as_slice() else {
        return Err(format!("tensor `{FACTORS}` has more than one dimension"));
    };
    let mut numbers = vec![0.0; count];
    place.kind.decode(&bytes[place.range.clone()], &mut numbers);
    Ok(numbers)
}

fn metadata(cursor: &mut Cursor<'_>, count: usize) -> Result<Metadata, String> {
    let mut metadata = Metadata::default();
    for _ in 0..count {
        let key = cursor.text("a key of the metadata")?;
        let code = cursor.u32()?;
        let value = cursor.value(&key, code)?;
        if metadata.0.insert(key.clone(), value).is_some() {
            return Err(format!("`{key}` is there twice"));
        }
    }
    Ok(metadata)
}

fn alignment(metadata: &Metadata) -> Result<usize, String> {
    const DEFAULT: usize = 32;
    const LARGEST: usize = 1 << 20;
    let alignment = metadata.count(ALIGNMENT)?.unwrap_or(DEFAULT);
    if alignment.is_power_of_two() && alignment <= LARGEST {
        Ok(alignment)
    } else {
        Err(format!(
            "`{ALIGNMENT}` is `{alignment}`, expected a power of two"
        ))
    }
}

/// What the header says about a tensor.
struct Info {
    shape: Vec<usize>,
    kind: &'static Kind,
    offset: u64,
}

fn infos(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<(String, Info)>, String> {
    let mut infos = Vec::new();
    for _ in 0..count {
        let name = cursor.text("the name of a tensor")?;
        let dimensions = cursor.u32()? as usize;
        if dimensions > DIMENSIONS {
            return Err(format!(
                "tensor `{name}` has `{dimensions}` dimensions, expected at most `{DIMENSIONS}`"
            ));
        }
        let shape: Result<Vec<usize>, String> = (0..dimensions).map(|_| cursor.count()).collect();
        let mut shape = shape?;
        shape.reverse();
        let kind = kind::find(cursor.u32()?)
            .map_err(|problem| format!("tensor `{name}` has {problem}"))?;
        let offset = cursor.u64()?;
        infos.push((
            name,
            Info {
                shape,
                kind,
                offset,
            },
        ));
    }
    Ok(infos)
}

impl Info {
    /// Where the tensor is, if the file has all of it.
    fn place(self, start: usize, alignment: usize, length: usize) -> Result<Place, String> {
        let (shape, kind) = (self.shape, self.kind);
        let row = shape.last().copied().unwrap_or(1);
        if !row.is_multiple_of(kind.block) {
            return Err(format!(
                "has rows of {row} numbers, expected a multiple of {} for the type `{}`",
                kind.block, kind.name
            ));
        }
        let numbers = shape
            .iter()
            .try_fold(1_usize, |product, one| product.checked_mul(*one));
        let bytes = numbers.and_then(|numbers| (numbers / kind.block).checked_mul(kind.bytes));
        let offset = usize::try_from(self.offset).ok();
        if offset.is_some_and(|offset| !offset.is_multiple_of(alignment)) {
            return Err(format!(
                "begins at byte {}, expected a multiple of {alignment}",
                self.offset
            ));
        }
        let first = offset.and_then(|offset| start.checked_add(offset));
        let range = first.and_then(|first| Some(first..first.checked_add(bytes?)?));
        match range.filter(|range| range.end <= length) {
            Some(range) => Ok(Place { shape, kind, range }),
            None => Err(format!(
                "is cut off: the file has {length} bytes; fetch the file again"
            )),
        }
    }
}

/// The bytes that have not been read.
struct Cursor<'a> {
    rest: &'a [u8],
    /// The length of the file.
    length: usize,
}

impl<'a> Cursor<'a> {
    fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    fn cut_off(&self) -> String {
        format!(
            "it is cut off within its header, after {} bytes; fetch the file again",
            self.length
        )
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.cut_off());
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.cut_off());
        };
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn count(&mut self) -> Result<usize, String> {
        let count = self.u64()?;
        usize::try_from(count).map_err(|_| format!("it has a count of `{count}`"))
    }

    fn text(&mut self, what: &str) -> Result<String, String> {
        let length = self.count()?;
        let bytes = self.take(length)?;
        let text = str::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// A value of the type with this code.
    fn value(&mut self, key: &str, code: u32) -> Result<Value, String> {
        const LIST: u32 = 9;
        if code != LIST {
            return self.single(key, code);
        }
        let code = self.u32()?;
        let count = self.count()?;
        // No element is shorter than a byte.
        if count > LONGEST.min(self.rest.len()) {
            return Err(format!(
                "`{key}` has {count} elements, expected at most {LONGEST}, and no more than the file has bytes"
            ));
        }
        let items: Result<Vec<Value>, String> =
            (0..count).map(|_| self.single(key, code)).collect();
        Ok(Value::List(items?))
    }

    fn single(&mut self, key: &str, code: u32) -> Result<Value, String> {
        Ok(match code {
            0 => Value::Unsigned(u8::from_le_bytes(self.array()?).into()),
            1 => Value::Signed(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Number(decimal(f32::from_le_bytes(self.array()?))),
            7 => Value::Bool(self.array::<1>()? != [0]),
            8 => Value::Text(self.text(&format!("`{key}`"))?),
            9 => return Err(format!("`{key}` is a list of lists, which no known key is")),
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Number(f64::from_le_bytes(self.array()?)),
            code => return Err(format!("`{key}` has the unknown type `{code}`")),
        })
    }
}

/// The shortest decimal number that is read as this one.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}
