//! The sum of gradients of micro-batches that several ranks compute.
//!
//! Each rank adds a share of the elements of every parameter: it gets this share of each micro-batch's gradients from
//! the rank that has computed it, and adds them in the order of the micro-batches. So each element is added as one rank
//! alone adds it, for any number of ranks. In the end the shares are exchanged.

use std::ops::Range;

use burn::tensor::{DType, Tensor, TensorData};
use half::{bf16, f16};

use crate::ranks::{RankError, Ranks, share};

use super::optimizer::Named;

/// The sum so far, of this rank's share.
#[derive(Debug)]
pub(super) struct SharedSum<'a> {
    ranks: &'a Ranks,
    /// All parameters, in the order of their names.
    parameters: &'a Named,
    /// The elements of each parameter's share one after the other; none before the first micro-batch.
    sum: Option<Vec<u8>>,
}

impl<'a> SharedSum<'a> {
    /// An empty sum of gradients, which have the shapes and types of `parameters`.
    pub(super) fn new(ranks: &'a Ranks, parameters: &'a Named) -> Self {
        Self {
            ranks,
            parameters,
            sum: None,
        }
    }

    /// Adds the gradients of `count` micro-batches, of which `own` are this rank's.
    ///
    /// The micro-batches go to the ranks in turn: to rank 0, to rank 1, and so on, and then to rank 0 again.
    pub(super) fn add(&mut self, own: Vec<Named>, count: usize) -> Result<(), RankError> {
        let ranks = self.ranks.count();
        let mut pieces = vec![Vec::new(); ranks];
        for mut gradients in own {
            for (name, parameter) in self.parameters {
                let gradient = gradients.remove(name).map(Tensor::into_data);
                let zeros = || TensorData::new(vec![0_u8; bytes(parameter)], [bytes(parameter)]);
                // A parameter that a micro-batch does not reach has a gradient of zero.
                let gradient = gradient.unwrap_or_else(zeros);
                let gradient = gradient.as_bytes();
                for (rank, piece) in pieces.iter_mut().enumerate() {
                    piece.extend(
                        gradient
                            .get(part(parameter, rank, ranks))
                            .unwrap_or_default(),
                    );
                }
            }
        }
        let received = self.ranks.trade(pieces)?;
        let size = self.size(self.ranks.rank());
        for index in 0..count {
            let (rank, place) = (index % ranks, index / ranks * size);
            let piece = received[rank].get(place..place + size);
            let piece = piece.ok_or(RankError::Garbled {
                rank,
                what: "gradients of another size",
            })?;
            match &mut self.sum {
                Some(sum) => self
                    .parameters
                    .values()
                    .map(|parameter| (parameter.dtype(), len(parameter, self.ranks)))
                    .fold(0, |from, (dtype, len)| {
                        let range = from..from + len;
                        add(&mut sum[range.clone()], &piece[range], dtype);
                        from + len
                    }),
                None => self.sum.insert(piece.to_vec()).len(),
            };
        }
        Ok(())
    }

    /// The whole sum, the same on every rank; nothing if there were no micro-batches.
    pub(super) fn finish(self) -> Result<Named, RankError> {
        let Some(sum) = self.sum else {
            return Ok(Named::new());
        };
        let shares = self.ranks.gather(sum)?;
        let mut places = vec![0; shares.len()];
        let mut named = Named::new();
        for (name, parameter) in self.parameters {
            let mut all = Vec::with_capacity(bytes(parameter));
            for (rank, share) in shares.iter().enumerate() {
                let size = part(parameter, rank, shares.len()).len();
                let range = places[rank]..places[rank] + size;
                places[rank] = range.end;
                all.extend(share.get(range).ok_or(RankError::Garbled {
                    rank,
                    what: "a sum of another size",
                })?);
            }
            let dtype = parameter.dtype();
            let data = TensorData::from_bytes_vec(all, parameter.dims(), dtype);
            let tensor = Tensor::from_data(data, (&parameter.device(), dtype));
            named.insert(name.clone(), tensor);
        }
        Ok(named)
    }

    /// The bytes of a rank's share of a micro-batch.
    fn size(&self, rank: usize) -> usize {
        let parts = self.parameters.values();
        parts
            .map(|parameter| part(parameter, rank, self.ranks.count()).len())
            .sum()
    }
}

fn bytes(parameter: &Tensor<2>) -> usize {
    parameter.shape().num_elements() * parameter.dtype().size()
}

fn len(parameter: &Tensor<2>, ranks: &Ranks) -> usize {
    part(parameter, ranks.rank(), ranks.count()).len()
}

/// The bytes of a rank's share of a parameter.
fn part(parameter: &Tensor<2>, rank: usize, ranks: usize) -> Range<usize> {
    let elements = share(parameter.shape().num_elements(), rank, ranks);
    let size = parameter.dtype().size();
    elements.start * size..elements.end * size
}

/// Adds numbers to others, as a tensor of their type does.
fn add(sum: &mut [u8], addend: &[u8], dtype: DType) {
    match dtype {
        DType::F64 => add_each(sum, addend, |a, b| {
            (f64::from_le_bytes(a) + f64::from_le_bytes(b)).to_le_bytes()
        }),
        DType::F16 => add_each(sum, addend, |a, b| {
            let sum = f16::from_le_bytes(a).to_f32() + f16::from_le_bytes(b).to_f32();
            f16::from_f32(sum).to_le_bytes()
        }),
        DType::BF16 => add_each(sum, addend, |a, b| {
            let sum = bf16::from_le_bytes(a).to_f32() + bf16::from_le_bytes(b).to_f32();
            bf16::from_f32(sum).to_le_bytes()
        }),
        // What is trained has one of these types.
        _ => add_each(sum, addend, |a, b| {
            (f32::from_le_bytes(a) + f32::from_le_bytes(b)).to_le_bytes()
        }),
    }
}

fn add_each<const N: usize>(
    sum: &mut [u8],
    addend: &[u8],
    add: impl Fn([u8; N], [u8; N]) -> [u8; N],
) {
    let (sums, _) = sum.as_chunks_mut::<N>();
    let (addends, _) = addend.as_chunks::<N>();
    for (sum, addend) in sums.iter_mut().zip(addends) {
        *sum = add(*sum, *addend);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{ranks::tests::on_ranks, seed};

    /// Gradients of two parameters, of which one has fewer elements than there are ranks.
    fn gradients(index: u64, dtype: DType) -> Named {
        let mut stream = seed::stream(1, "gradients", index, 0);
        let mut tensor = |rows: usize, columns: usize| {
            let values: Vec<f64> = (0..rows * columns).map(|_| stream.normal()).collect();
            let data = TensorData::new(values, [rows, columns]).convert_dtype(dtype);
            Tensor::from_data(data, (&Device::flex(), dtype))
        };
        [
            ("a".to_owned(), tensor(5, 7)),
            ("b".to_owned(), tensor(1, 2)),
        ]
        .into()
    }

    fn bits(named: &Named) -> Vec<Vec<u8>> {
        let bytes = |tensor: &Tensor<2>| tensor.to_data().as_bytes().to_vec();
        named.values().map(bytes).collect()
    }

    /// Oracle: tensors added one after the other, to the last bit.
    #[test]
    fn a_shared_sum_is_the_sum_in_the_order_of_the_micro_batches() {
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            let waves = [5_usize, 3, 1];
            let mut all = (0..9).map(|index| gradients(index, dtype));
            let mut expected = all.next().unwrap();
            for one in all {
                for (name, gradient) in one {
                    let sum = expected.remove(&name).unwrap() + gradient;
                    expected.insert(name, sum);
                }
            }
            for count in 1..5 {
                let sums = on_ranks(count, |ranks| {
                    let parameters = gradients(0, dtype);
                    let mut sum = SharedSum::new(&ranks, &parameters);
                    let mut first = 0;
                    for wave in waves {
                        let own = (0..wave).filter(|index| index % count == ranks.rank());
                        let own = own.map(|index| gradients((first + index) as u64, dtype));
                        sum.add(own.collect(), wave).unwrap();
                        first += wave;
                    }
                    bits(&sum.finish().unwrap())
                });
                for sum in sums {
                    assert_eq!(sum, bits(&expected));
                }
            }
        }
    }
}
