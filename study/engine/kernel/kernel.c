// Trainer of multilayer perceptrons with and without batch norm, one run a call and one thread: the engine's contract
// (study/engine/lockstep/training.py) with the arithmetic of study/engine/reference.py.
//
// What is exported begins with kernel_; library.py checks every length before it calls. Images are rows of floats, or
// a plan of their nonzero pixels (plan.h). All widths are padded to whole lines, by units whose weights are zero and
// stay zero. Denormals are flushed while a call lasts: Adam's moments of dead units decay into them and would stay
// there, at a hundred cycles an operation. The caller's own mode is restored.
#include "linear.h"
#include "lit.h"
#include "norm.h"
#include "softmax.h"

enum { MAX_LINEARS = 101 };

typedef struct {
    int32_t n_linears, batch_norm, n_classes;
    int32_t widths[MAX_LINEARS + 1];  // features, hidden units by layer, classes; padded
} Network;

typedef struct {
    float *w, *m, *v;        // parameters and their moments: weight, bias, and gamma, beta of a norm, layer by layer
    float *running;          // mean, var by norm
    double *sums;            // likewise, over the batches of this epoch
    double lr, beta1_t, beta2_t;  // the rate, and Adam's powers so far
} Run;

// The images of some steps or of a split's evaluation: either form, block after block.
typedef struct {
    const float *rows;        // (n, features), NULL where the plan is given
    Lit lit;
    const int32_t *labels;    // (n)
} Images;

// Where a layer's parameters begin.
typedef struct {
    int64_t n_in, n_out, weight, bias, gamma, beta, end;
} Layer;

typedef struct {
    Layer layers[MAX_LINEARS];
    Norm norms[MAX_LINEARS];
    float *x[MAX_LINEARS];  // z of a layer, then x_hat
    float *h[MAX_LINEARS];  // what it hands on; without batch norm, x itself
    float *d[2];             // gradients of the features, by turns
    float *transposed;       // a weight
    float *gradient;         // of the first weight, over blocks
    int64_t size;            // floats of all these
} Scratch;

static void lay_out(const Network *net, Layer *layers) {
    int64_t place = 0;
    for (int l = 0; l < net->n_linears; l++) {
        int64_t n_in = net->widths[l], n_out = net->widths[l + 1];
        int normed = net->batch_norm && l < net->n_linears - 1;
        Layer layer = {.n_in = n_in, .n_out = n_out, .weight = place, .bias = place + n_in * n_out};
        layer.gamma = layer.bias + n_out;
        layer.beta = layer.gamma + n_out;
        place = layer.end = layer.gamma + (normed ? 2 * n_out : 0);
        layers[l] = layer;
    }
}

static float *take(Scratch *scratch, float *memory, int64_t size) {
    float *place = memory ? memory + scratch->size : NULL;
    scratch->size += size;
    return place;
}

// Parts ``memory`` for batches of n images; NULL only measures it.
static void part_scratch(const Network *net, int64_t n, float *memory, Scratch *scratch) {
    int64_t widest = 0, largest = 0;
    scratch->size = 0;
    lay_out(net, scratch->layers);
    for (int l = 0; l < net->n_linears; l++) {
        int64_t width = net->widths[l + 1], weight = l ? net->widths[l] * width : 0;
        widest = width > widest ? width : widest;
        largest = weight > largest ? weight : largest;
        scratch->x[l] = take(scratch, memory, n * width);
        scratch->h[l] = net->batch_norm ? take(scratch, memory, n * width) : scratch->x[l];
        scratch->norms[l].inverse_sd = take(scratch, memory, width);
    }
    for (int i = 0; i < 2; i++) scratch->d[i] = take(scratch, memory, n * widest);
    scratch->transposed = take(scratch, memory, largest);
    scratch->gradient = take(scratch, memory, scratch->layers[0].n_in * scratch->layers[0].n_out);
}

int64_t kernel_scratch_floats(const Network *net, int64_t n) {
    Scratch scratch;
    part_scratch(net, n, NULL, &scratch);
    return scratch.size;
}

static void find_statistics(const Network *net, const Run *run, Scratch *scratch) {
    int64_t place = 0;
    for (int l = 0; l < net->n_linears - 1; l++) {
        int64_t width = net->widths[l + 1];
        Norm *norm = &scratch->norms[l];
        norm->mean = run->running + place;
        norm->var = norm->mean + width;
        norm->means = run->sums + place;
        norm->vars = norm->means + width;
        place += 2 * width;
    }
}

// --- the first layer, in either form

// z (n, n_out) = b + x W
static void first_forward(const Images *images, int64_t n, const Layer *layer, const float *W, const float *b, float *z) {
    if (images->rows) {
        linear_forward(images->rows, n, layer->n_in, W, layer->n_out, b, z);
        return;
    }
    Lit lit = images->lit;
    for (int64_t begin = 0; begin < n; begin += BLOCK, next_block(&lit))
        lit_forward(&lit, begin + BLOCK < n ? BLOCK : n - begin, W, layer->n_out, b, z + begin * layer->n_out);
}

static void first_weight_step(const Images *images, const float *d, int64_t n, const Layer *layer, float *gradient,
                              Adam adam) {
    if (images->rows) {
        weight_step(images->rows, d, n, layer->n_in, layer->n_out, adam, layer->weight);
        return;
    }
    Lit lit = images->lit;
    for (int64_t begin = 0; begin < n; begin += BLOCK, next_block(&lit))
        lit_weight_step(&lit, d + begin * layer->n_out, layer->n_out,
                        (Gradient){gradient, begin == 0, begin + BLOCK >= n}, adam, layer->weight);
}

// Advances past the n images of a batch.
static void skip_images(Images *images, int64_t n, int64_t n_features) {
    images->labels += n;
    if (images->rows)
        images->rows += n * n_features;
    else
        for (int64_t begin = 0; begin < n; begin += BLOCK) next_block(&images->lit);
}

// --- one step of training

static void activate(const Network *net, const Run *run, Scratch *s, int l, int64_t n) {
    const Layer *layer = &s->layers[l];
    if (net->batch_norm)
        norm_forward(s->x[l], n, layer->n_out, run->w + layer->gamma, run->w + layer->beta, &s->norms[l], s->h[l]);
    else
        relu(s->x[l], n * layer->n_out);
}

// Computes the logits of images, in the x of the last layer.
static void forward(const Network *net, const Run *run, const Images *images, int64_t n, Scratch *s) {
    const Layer *layer = s->layers;
    first_forward(images, n, layer, run->w + layer->weight, run->w + layer->bias, s->x[0]);
    for (int l = 1; l < net->n_linears; l++) {
        activate(net, run, s, l - 1, n);
        layer = &s->layers[l];
        linear_forward(s->h[l - 1], n, layer->n_in, run->w + layer->weight, layer->n_out, run->w + layer->bias, s->x[l]);
    }
}

// Moves every parameter, given dL/dlogits in the x of the last layer. A layer's input gradient is made before it moves.
static void backward(const Network *net, const Images *images, int64_t n, Scratch *s, Adam adam) {
    float *d = s->x[net->n_linears - 1];
    for (int l = net->n_linears - 1; l > 0; l--) {
        const Layer *layer = &s->layers[l], *below = &s->layers[l - 1];
        float *d_h = s->d[l % 2];
        transpose(adam.w + layer->weight, layer->n_in, layer->n_out, s->transposed);
        linear_forward(d, n, layer->n_out, s->transposed, layer->n_in, NULL, d_h);
        weight_step(s->h[l - 1], d, n, layer->n_in, layer->n_out, adam, layer->weight);
        bias_step(d, n, layer->n_out, adam, layer->bias);
        if (net->batch_norm)
            norm_backward(s->x[l - 1], s->h[l - 1], d_h, n, below->n_out, &s->norms[l - 1], adam, below->gamma,
                          below->beta);
        else
            relu_backward(s->h[l - 1], d_h, n * below->n_out);
        d = d_h;
    }
    bias_step(d, n, s->layers[0].n_out, adam, s->layers[0].bias);
    first_weight_step(images, d, n, &s->layers[0], s->gradient, adam);
}

static Adam next_step(const Run *run) {
    return (Adam){run->w, run->m, run->v, (float)(run->lr / (1 - run->beta1_t)),
                  (float)(1 / __builtin_sqrt(1 - run->beta2_t))};
}

// --- the floating-point mode: flush denormals to zero, where the processor can

#if defined(__SSE__)
static uint64_t flush_denormals(void) {
    unsigned mode = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(mode | 0x8040);  // flush to zero, denormals are zero
    return mode;
}
static void restore(uint64_t mode) { __builtin_ia32_ldmxcsr((unsigned)mode); }
#elif defined(__aarch64__)
static uint64_t flush_denormals(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" ::"r"(mode | 1u << 24));
    return mode;
}
static void restore(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }
#else
static uint64_t flush_denormals(void) { return 0; }
static void restore(uint64_t mode) { (void)mode; }
#endif

// --- what Python calls

// Takes ``steps`` steps of ``run`` on batches of n images; ``losses`` gets the mean loss before each.
void kernel_train(const Network *net, Run *run, Images images, int64_t n, int64_t steps, float *memory, double *losses) {
    Scratch scratch;
    uint64_t mode = flush_denormals();
    part_scratch(net, n, memory, &scratch);
    find_statistics(net, run, &scratch);
    for (int64_t step = 0; step < steps; step++) {
        run->beta1_t *= BETA1;
        run->beta2_t *= BETA2;
        forward(net, run, &images, n, &scratch);
        losses[step] = cross_entropy(scratch.x[net->n_linears - 1], n, net->widths[net->n_linears], net->n_classes,
                                     images.labels);
        backward(net, &images, n, &scratch, next_step(run));
        skip_images(&images, n, net->widths[0]);
    }
    restore(mode);
}

// Batch norm with its running averages is affine: ``folded`` gets the parameters with it folded into the linear
// layer before it, W gain and (b - mean) gain + beta with gain = gamma / sqrt(var + eps).
void kernel_fold(const Network *net, const Run *run, float *folded) {
    Layer layers[MAX_LINEARS];
    uint64_t mode = flush_denormals();
    lay_out(net, layers);
    memcpy(folded, run->w, (size_t)layers[net->n_linears - 1].end * sizeof *folded);
    const float *mean = run->running;
    for (int l = 0; net->batch_norm && l < net->n_linears - 1; l++) {
        Layer layer = layers[l];
        for (int64_t u = 0; u < layer.n_out; u += LANES) {
            vec gain = load(run->w + layer.gamma + u) / square_root(load(mean + layer.n_out + u) + splat((float)NORM_EPS));
            for (int64_t at = layer.weight + u; at < layer.bias; at += layer.n_out)
                store(folded + at, load(run->w + at) * gain);
            vec centred = load(run->w + layer.bias + u) - load(mean + u);
            store(folded + layer.bias + u, centred * gain + load(run->w + layer.beta + u));
        }
        mean += 2 * layer.n_out;
    }
    restore(mode);
}

// Returns ``losses`` plus those of n images under a folded network, block by block; ``correct`` gets which of them are
// correct. ``memory`` is the scratch of a batch of BLOCK.
double kernel_evaluate(const Network *net, const float *folded, Images images, int64_t n, float *memory,
                       double losses, uint8_t *correct) {
    Scratch scratch;
    uint64_t mode = flush_denormals();
    part_scratch(net, BLOCK, memory, &scratch);
    int last = net->n_linears - 1;
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t some = begin + BLOCK < n ? BLOCK : n - begin;
        const Layer *layer = scratch.layers;
        first_forward(&images, some, layer, folded + layer->weight, folded + layer->bias, scratch.x[0]);
        for (int l = 1; l <= last; l++) {
            relu(scratch.x[l - 1], some * layer->n_out);
            layer = &scratch.layers[l];
            linear_forward(scratch.x[l - 1], some, layer->n_in, folded + layer->weight, layer->n_out,
                           folded + layer->bias, scratch.x[l]);
        }
        losses += answers(scratch.x[last], some, layer->n_out, net->n_classes, images.labels, correct + begin);
        skip_images(&images, some, net->widths[0]);
    }
    restore(mode);
    return losses;
}

int64_t kernel_lanes(void) { return LANES; }
