/* Preloaded, it has the C library report 64 cores, whatever this machine has: the libraries that start a thread for each
   core ask it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

enum { CORES = 64 };

int get_nprocs(void) { return CORES; }

int get_nprocs_conf(void) { return CORES; }

long sysconf(int name) {
    static long (*real)(int);
    if (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF) return CORES;
    if (!real) real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cores) {
    (void)pid;
    memset(cores, 0, size);
    for (int core = 0; core < CORES; core++) CPU_SET_S(core, size, cores);
    return 0;
}
