//! Products by cuBLASLt, which is loaded at run time, on a stream of its own.
//!
//! `CubeCL`'s stream is private, but not its order: a closure on the device's thread runs between
//! launches, and two events order the streams on the device, so that the host waits for neither.

#![expect(
    unsafe_code,
    reason = "the library takes descriptors and addresses of device memory"
)]

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
    sync::LazyLock,
};

use burn_cubecl::tensor::CubeTensor;
use cubecl::{
    RuntimeId, cuda::CudaRuntime, device_handle::DeviceHandle, server::ServerStorage as _,
};
use cubecl_environment::stream::StreamId;
use cudarc::{
    cublaslt::{result as lt, sys},
    driver::{result as cuda, sys as driver},
};

use super::matrix::Matrix;

type Server = <CudaRuntime as cubecl_runtime::runtime::Runtime>::Server;

/// Scratch memory of the library, as its manual recommends for Hopper.
const WORKSPACE: usize = 32 << 20;

/// Why the library does not compute a product.
#[derive(Debug, thiserror::Error)]
pub(super) enum LibraryError {
    #[error(
        "libcublasLt was not found, so that large products are slow: install CUDA's cuBLAS, or add its folder to `LD_LIBRARY_PATH`"
    )]
    Missing,
    #[error(
        "libnvrtc was not found, which compiles the kernels: install CUDA's NVRTC, or add its folder to `LD_LIBRARY_PATH`"
    )]
    NoCompiler,
    #[error(
        "the driver cannot order streams by events: products by cuBLASLt need driver 555 or newer"
    )]
    Driver,
    #[error("cuBLASLt does not compute this product: {0:?}")]
    Library(#[from] lt::CublasError),
    #[error("CUDA refused a call: {0:?}")]
    Cuda(#[from] cuda::DriverError),
    #[error("CubeCL does not provide the memory of a product: {0}")]
    Memory(String),
}

/// Why there is no library, or nothing if there is one.
///
/// Looking for it does not load what it calls.
pub(super) fn missing() -> Option<&'static LibraryError> {
    static FOUND: LazyLock<Option<LibraryError>> = LazyLock::new(|| {
        // SAFETY: opening the library runs its initialisers, which have no requirements.
        if !unsafe { sys::is_culib_present() } {
            return Some(LibraryError::Missing);
        }
        // SAFETY: the same; the driver is there because a tensor is on its device.
        let has_events = unsafe {
            driver::is_culib_present()
                && ["cuCtxRecordEvent", "cuCtxWaitEvent"]
                    .iter()
                    .all(|name| driver::culib().get::<unsafe extern "C" fn()>(*name).is_ok())
        };
        (!has_events).then_some(LibraryError::Driver)
    });
    FOUND.as_ref()
}

/// Why kernels cannot be compiled, or nothing if they can.
pub(super) fn missing_compiler() -> Option<LibraryError> {
    // SAFETY: opening the library runs its initialisers, which have no requirements.
    let is_there = unsafe { cudarc::nvrtc::sys::is_culib_present() };
    (!is_there).then_some(LibraryError::NoCompiler)
}

/// What distinguishes products for the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    rows: u64,
    k: u64,
    columns: u64,
    row_pitch: i64,
    pitch: i64,
    is_turned: bool,
    is_wide: bool,
}

/// What the library needs for a shape. The algorithm is chosen once in a process.
struct Plan {
    product: sys::cublasLtMatmulDesc_t,
    weight: sys::cublasLtMatrixLayout_t,
    rows: sys::cublasLtMatrixLayout_t,
    out: sys::cublasLtMatrixLayout_t,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

/// What the thread of a device keeps for as long as the process runs.
struct Library {
    context: driver::CUcontext,
    stream: driver::CUstream,
    before: driver::CUevent,
    after: driver::CUevent,
    handle: sys::cublasLtHandle_t,
    workspace: u64,
    plans: BTreeMap<Shape, Plan>,
}

thread_local! {
    static LIBRARIES: RefCell<BTreeMap<usize, Library>> = const { RefCell::new(BTreeMap::new()) };
}

/// What limits the choice of an algorithm: the memory that it may use, and no sums that are split over
/// `k`.
fn preference() -> Result<sys::cublasLtMatmulPreference_t, LibraryError> {
    use sys::cublasLtMatmulPreferenceAttributes_t::{
        CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
    };

    let (workspace, schemes) = (WORKSPACE, 0_u32);
    let preference = lt::create_matmul_pref()?;
    // SAFETY: the attributes have the sizes that the library's manual gives, and the pointers are to
    // values that outlive the calls.
    unsafe {
        lt::set_matmul_pref_attribute(
            preference,
            CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            (&raw const workspace).cast(),
            size_of_val(&workspace),
        )?;
        lt::set_matmul_pref_attribute(
            preference,
            CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
            (&raw const schemes).cast(),
            size_of_val(&schemes),
        )?;
    }
    Ok(preference)
}

impl Library {
    fn open(device: usize) -> Result<Self, LibraryError> {
        // SAFETY: the primary context is the one that CubeCL retains as well. Every object is made
        // in it, and none is destroyed.
        unsafe {
            let device = cuda::device::get(i32::try_from(device).unwrap_or(0))?;
            let context = cuda::primary_ctx::retain(device)?;
            cuda::ctx::set_current(context)?;
            let event = || cuda::event::create(driver::CUevent_flags::CU_EVENT_DISABLE_TIMING);
            Ok(Self {
                context,
                stream: cuda::stream::create(cuda::stream::StreamKind::NonBlocking)?,
                before: event()?,
                after: event()?,
                handle: lt::create_handle()?,
                workspace: cuda::malloc_sync(WORKSPACE)?,
                plans: BTreeMap::new(),
            })
        }
    }

    fn plan(&self, shape: Shape) -> Result<Plan, LibraryError> {
        use sys::{
            cublasComputeType_t::CUBLAS_COMPUTE_32F,
            cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA,
            cudaDataType_t::{CUDA_R_16BF, CUDA_R_32F},
        };

        let Shape {
            rows, k, columns, ..
        } = shape;
        let turn = i32::from(shape.is_turned);
        // SAFETY: the attributes have the sizes that the library's manual gives, and the pointers
        // are to values that outlive the calls.
        unsafe {
            let product = lt::create_matmul_desc(CUBLAS_COMPUTE_32F, CUDA_R_32F)?;
            lt::set_matmul_desc_attribute(
                product,
                CUBLASLT_MATMUL_DESC_TRANSA,
                (&raw const turn).cast(),
                size_of_val(&turn),
            )?;
            // The library counts by columns: it computes the transposed product.
            let weight = if shape.is_turned {
                lt::create_matrix_layout(CUDA_R_16BF, k, columns, shape.pitch)?
            } else {
                lt::create_matrix_layout(CUDA_R_16BF, columns, k, shape.pitch)?
            };
            let x = lt::create_matrix_layout(CUDA_R_16BF, k, rows, shape.row_pitch)?;
            let kind = if shape.is_wide {
                CUDA_R_32F
            } else {
                CUDA_R_16BF
            };
            let out = lt::create_matrix_layout(kind, columns, rows, columns.cast_signed())?;
            let preference = preference()?;
            let chosen = lt::get_matmul_algo_heuristic(
                self.handle,
                product,
                weight,
                x,
                out,
                out,
                preference,
            )?;
            lt::destroy_matmul_pref(preference)?;
            Ok(Plan {
                product,
                weight,
                rows: x,
                out,
                algorithm: chosen.algo,
            })
        }
    }

    /// Queues a product after all that `CubeCL` has queued, and before all that it will queue.
    fn multiply(&mut self, shape: Shape, [x, weight, out]: [u64; 3]) -> Result<(), LibraryError> {
        if !self.plans.contains_key(&shape) {
            let plan = self.plan(shape)?;
            self.plans.insert(shape, plan);
        }
        let plan = &self.plans[&shape];
        let (one, zero) = (1_f32, 0_f32);
        // SAFETY: the caller holds the memory at the three addresses, which the plan's layouts
        // describe; later work waits for the event.
        unsafe {
            driver::cuCtxRecordEvent(self.context, self.before).result()?;
            driver::cuStreamWaitEvent(self.stream, self.before, 0).result()?;
            lt::matmul(
                self.handle,
                plan.product,
                (&raw const one).cast(),
                (&raw const zero).cast(),
                weight as *const _,
                plan.weight,
                x as *const _,
                plan.rows,
                out as *const _,
                plan.out,
                out as *mut _,
                plan.out,
                &raw const plan.algorithm,
                self.workspace as *mut _,
                WORKSPACE,
                self.stream.cast(),
            )?;
            driver::cuEventRecord(self.after, self.stream).result()?;
            driver::cuCtxWaitEvent(self.context, self.after).result()?;
        }
        Ok(())
    }
}

/// Writes the product `x · w` into `out`, which is contiguous, of bf16 or of 32-bit numbers.
///
/// The host waits until the product is queued, so that a refusal is known here, but not until it is
/// computed.
pub(super) fn multiply(x: &Matrix, w: &Matrix, out: &CubeTensor) -> Result<(), LibraryError> {
    let unsupported = || lt::CublasError(sys::cublasStatus_t::CUBLAS_STATUS_NOT_SUPPORTED);
    let (Some(row_pitch), Some((stored, is_turned))) = (x.row_pitch(), w.stored()) else {
        return Err(unsupported().into());
    };
    let ([rows, k], [_, columns]) = (x.dims(), w.dims());
    let signed = |pitch: usize| i64::try_from(pitch).map_err(|_| unsupported());
    let shape = Shape {
        rows: rows as u64,
        k: k as u64,
        columns: columns as u64,
        row_pitch: signed(row_pitch)?,
        pitch: signed(stored.pitch)?,
        is_turned,
        is_wide: out.dtype.size() == 4,
    };
    let device = x.device();
    let bindings = [x.tensor(), w.tensor(), out].map(|one| one.handle.clone().binding());
    let stream = StreamId::current();
    let queue = DeviceHandle::<Server>::new(RuntimeId::strip(x.tensor().device.to_id()));
    let queued = queue.submit_blocking(move |server: &mut Server| {
        // Held until everything is queued, because a page that is held is not moved.
        let mut held = Vec::new();
        for binding in bindings {
            let resource = server.get_resource(binding, stream);
            held.push(resource.map_err(|error| LibraryError::Memory(error.to_string()))?);
        }
        let at = |index: usize| held[index].resource().ptr;
        let addresses = [at(0), at(1), at(2)];
        LIBRARIES.with_borrow_mut(|libraries| {
            let library = match libraries.entry(device) {
                Entry::Occupied(opened) => opened.into_mut(),
                Entry::Vacant(place) => place.insert(Library::open(device)?),
            };
            library.multiply(shape, addresses)
        })
    });
    queued.unwrap_or_else(|error| Err(LibraryError::Memory(format!("{error:?}"))))
}
