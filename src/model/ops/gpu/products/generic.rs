//! Products where cuBLASLt is missing: cubek's double-buffered kernels, chosen without timing them.

use burn::backend::{Cube, ops::FloatTensorOps as _};
use cubecl::ir::{ElemType, FloatKind};
use cubek::{
    matmul::{
        definition::{MatmulElems, MatmulGlobalElems},
        launch::launch_ref,
        multi_level,
        routine::BlueprintStrategy,
        strategy::Strategy,
    },
    std::InputBinding,
};

use super::matrix::Matrix;
use crate::model::ops::graph::Handle as _;

/// The product `x · w` of any layout.
pub(super) fn multiply(x: &Matrix, w: &Matrix) -> Matrix {
    double_buffered(x, w).unwrap_or_else(|| {
        let (x, w) = (x.clone().into_primitive(), w.clone().into_primitive());
        Matrix::from_primitive(Cube::float_matmul(x, w))
    })
}

/// Loads the next tiles while it multiplies the last ones, which Burn's choice does not.
fn double_buffered(x: &Matrix, w: &Matrix) -> Option<Matrix> {
    let ([rows, _], [_, columns]) = (x.dims(), w.dims());
    let out = x.fresh([rows, columns]);
    let element = ElemType::Float(FloatKind::BF16);
    let mut types = MatmulElems::from_globals(&MatmulGlobalElems {
        lhs: element,
        rhs: element,
        out: element,
    });
    let strategy = Strategy::from(multi_level::Strategy::DoubleCyclicMma(
        BlueprintStrategy::default(),
    ));
    let input = |matrix: &Matrix| InputBinding::new(matrix.tensor().clone().binding(), element);
    let launched = launch_ref(
        &strategy,
        &x.tensor().client,
        input(x),
        input(w),
        out.tensor().clone().binding(),
        &mut types,
    );
    launched.is_ok().then_some(out)
}
