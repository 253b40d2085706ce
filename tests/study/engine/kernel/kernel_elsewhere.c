// The kernel on a processor of another kind: a digest of all that it makes of made-up images, to be compared.
//
//     cc -ffp-contract=off -I study/kernel tests/study/kernel_elsewhere.c -lm && ./a.out
#include <stdio.h>
#include <stdlib.h>

#include "kernel.c"

enum { IMAGES = 700, FEATURES = 96, BATCH = 350, CLASSES = 10, HIDDEN = 48, VALUES = 17, EPOCHS = 3 };

static uint64_t state = 7, digest = 14695981039346656037u;

static uint32_t drawn(void) {  // Knuth's MMIX generator
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static void see(const void *memory, size_t size) {  // FNV-1a
    for (const uint8_t *byte = memory; byte < (const uint8_t *)memory + size; byte++)
        digest = (digest ^ *byte) * 1099511628211u;
}

static void *zeros(size_t size) {
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    return memset(memory, 0, size);
}

static void train(int batch_norm, Images images, double lr) {
    Network net = {3, batch_norm, CLASSES, {FEATURES, HIDDEN, HIDDEN, LINE}};
    Layer layers[MAX_LINEARS];
    lay_out(&net, layers);
    size_t n = (size_t)layers[2].end;
    Run run = {zeros(n * 4), zeros(n * 4), zeros(n * 4), zeros(4 * HIDDEN * 4), zeros(4 * HIDDEN * 8), lr, 1, 1};
    for (size_t i = 0; i < n; i++) run.w[i] = (float)((int32_t)(drawn() % 2001) - 1000) * 1e-4f;
    for (int l = 0; l < 3; l++)
        for (int64_t c = l == 2 ? CLASSES : layers[l].n_out; c < layers[l].n_out; c++) {
            for (int64_t k = 0; k < layers[l].n_in; k++) run.w[layers[l].weight + k * layers[l].n_out + c] = 0;
            run.w[layers[l].bias + c] = 0;
        }
    float *memory = zeros((size_t)kernel_scratch_floats(&net, BATCH) * 4), *folded = zeros(n * 4);
    uint8_t *correct = zeros(IMAGES);
    double losses[IMAGES / BATCH];
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        kernel_train(&net, &run, images, BATCH, IMAGES / BATCH, memory, losses);
        see(losses, sizeof losses);
    }
    kernel_fold(&net, &run, folded);
    float *of_block = zeros((size_t)kernel_scratch_floats(&net, BLOCK) * 4);
    if (images.rows) {
        double loss = kernel_evaluate(&net, folded, images, IMAGES, of_block, 0, correct);
        see(&loss, sizeof loss);
        see(correct, IMAGES);
    }
    see(run.w, n * 4);
    see(run.m, n * 4);
    see(run.v, n * 4);
    see(run.running, 4 * HIDDEN * 4);
    see(run.sums, 4 * HIDDEN * 8);
}

int main(void) {
    float *rows = zeros(IMAGES * FEATURES * 4), *values = zeros(MAX_VALUES * 4);
    int32_t labels[IMAGES], order[IMAGES];
    for (int v = 0; v < VALUES; v++) values[v] = (float)v / 16;
    for (int i = 0; i < IMAGES * FEATURES; i++) rows[i] = drawn() % 5 ? 0 : values[drawn() % VALUES];
    for (int i = 0; i < IMAGES; i++) labels[i] = (int32_t)(drawn() % CLASSES), order[i] = i;
    int64_t starts[IMAGES + 1], n_groups = FEATURES / GROUP;
    uint64_t *entries = zeros(IMAGES * FEATURES * 8), *planned = zeros(IMAGES * FEATURES * 8);
    uint32_t *begins = zeros(64 * FEATURES * 4), *places = zeros(FEATURES * 4);
    uint16_t *visits = zeros(64 * FEATURES * 2);
    uint8_t ever[FEATURES];
    memset(ever, 1, sizeof ever);
    kernel_entries(rows, IMAGES, FEATURES, values, VALUES, starts, entries);
    kernel_plan(starts, entries, order, IMAGES, BATCH, n_groups, ever, n_groups, (Plan){begins, visits, planned}, places);
    Images whole = {.rows = rows, .labels = labels};
    Images lit = {.lit = {begins, visits, planned, values, n_groups, n_groups}, .labels = labels};
    for (int batch_norm = 0; batch_norm < 2; batch_norm++) {
        train(batch_norm, whole, 0.01);
        train(batch_norm, lit, 0.01);
    }
    printf("%016llx\n", (unsigned long long)digest);
    return 0;
}
