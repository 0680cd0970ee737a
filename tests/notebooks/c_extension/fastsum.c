#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *total(PyObject *self, PyObject *values) {
    PyObject *iterator = PyObject_GetIter(values), *item;
    double sum = 0;
    if (!iterator) return NULL;
    while ((item = PyIter_Next(iterator))) {
        sum += PyFloat_AsDouble(item);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : PyFloat_FromDouble(sum);
}

static PyMethodDef methods[] = {{"total", total, METH_O, "Sum of numbers."}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fastsum", NULL, -1, methods};
PyMODINIT_FUNC PyInit_fastsum(void) { return PyModule_Create(&module); }
