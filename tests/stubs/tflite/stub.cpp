// A "model" is a text file: type of the input, its bytes, number of classes, their logits. The first
// value of the input is added to the first logit.
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tensorflow/lite/c/c_api.h"

struct TfLiteTensor {
  TfLiteType type;
  std::vector<char> bytes;
};
struct TfLiteModel {
  TfLiteTensor input;
  std::vector<float> logits;
};
struct TfLiteInterpreterOptions {};
struct TfLiteInterpreter {
  TfLiteTensor input, output;
  std::vector<float> logits;
};

TfLiteModel* TfLiteModelCreateFromFile(const char* model_path) {
  std::ifstream file(model_path);
  std::string type;
  size_t size = 0, classes = 0;
  if (!(file >> type >> size >> classes)) return nullptr;
  auto* model = new TfLiteModel;
  model->input = {type == "uint8" ? kTfLiteUInt8 : kTfLiteFloat32, std::vector<char>(size)};
  model->logits.resize(classes);
  for (float& logit : model->logits) file >> logit;
  return model;
}
void TfLiteModelDelete(TfLiteModel* model) { delete model; }
TfLiteInterpreterOptions* TfLiteInterpreterOptionsCreate() { return new TfLiteInterpreterOptions; }
void TfLiteInterpreterOptionsDelete(TfLiteInterpreterOptions* options) { delete options; }
void TfLiteInterpreterOptionsSetNumThreads(TfLiteInterpreterOptions*, int32_t) {}
TfLiteInterpreter* TfLiteInterpreterCreate(const TfLiteModel* model,
                                           const TfLiteInterpreterOptions*) {
  return new TfLiteInterpreter{model->input, {kTfLiteFloat32, {}}, model->logits};
}
void TfLiteInterpreterDelete(TfLiteInterpreter* interpreter) { delete interpreter; }
TfLiteStatus TfLiteInterpreterAllocateTensors(TfLiteInterpreter* interpreter) {
  interpreter->output.bytes.resize(interpreter->logits.size() * sizeof(float));
  return kTfLiteOk;
}
TfLiteTensor* TfLiteInterpreterGetInputTensor(const TfLiteInterpreter* interpreter, int32_t) {
  return const_cast<TfLiteTensor*>(&interpreter->input);
}
const TfLiteTensor* TfLiteInterpreterGetOutputTensor(const TfLiteInterpreter* interpreter,
                                                     int32_t) {
  return &interpreter->output;
}
TfLiteStatus TfLiteInterpreterInvoke(TfLiteInterpreter* interpreter) {
  std::vector<float> logits = interpreter->logits;
  const char* input = interpreter->input.bytes.data();
  float first = static_cast<unsigned char>(*input);
  if (interpreter->input.type == kTfLiteFloat32) std::memcpy(&first, input, sizeof(first));
  logits[0] += first;
  std::memcpy(interpreter->output.bytes.data(), logits.data(), interpreter->output.bytes.size());
  return kTfLiteOk;
}
TfLiteType TfLiteTensorType(const TfLiteTensor* tensor) { return tensor->type; }
size_t TfLiteTensorByteSize(const TfLiteTensor* tensor) { return tensor->bytes.size(); }
TfLiteStatus TfLiteTensorCopyFromBuffer(TfLiteTensor* tensor, const void* data, size_t size) {
  if (size != tensor->bytes.size()) return kTfLiteError;
  std::memcpy(tensor->bytes.data(), data, size);
  return kTfLiteOk;
}
TfLiteStatus TfLiteTensorCopyToBuffer(const TfLiteTensor* tensor, void* data, size_t size) {
  if (size != tensor->bytes.size()) return kTfLiteError;
  std::memcpy(data, tensor->bytes.data(), size);
  return kTfLiteOk;
}
